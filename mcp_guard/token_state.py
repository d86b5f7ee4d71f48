"""In which state a token is, as its row says it. Whether a request with it is let in, the gate decides."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum

from mcp_guard import conf
from mcp_guard.models import Token


class TokenState(Enum):
    """What keeps a token from working, or that nothing does; the value is the word for it."""

    LIVE = "live"
    NOT_YET_VALID = "not yet valid"
    EXPIRED = "expired"
    REVOKED = "revoked"
    USER_INACTIVE = "user inactive"
    CLIENT_DISABLED = "client disabled"


def token_state(token: Token, now: datetime) -> TokenState:
    """Return the state of a token; the reason that no operator can undo comes first."""
    if token.revoked_at is not None:
        return TokenState.REVOKED
    if token.expires_at <= now:
        return TokenState.EXPIRED
    if not token.client.active:
        return TokenState.CLIENT_DISABLED
    if token.user is not None and not token.user.is_active:
        return TokenState.USER_INACTIVE
    if token.not_before is not None and token.not_before > now:
        return TokenState.NOT_YET_VALID
    return TokenState.LIVE


def soon() -> timedelta:
    """Return within which time a token expires soon."""
    return timedelta(days=conf.parse().token_warn_days)


def expires_soon(token: Token, now: datetime) -> bool:
    """Return whether a token works now and will soon do so no longer."""
    return token_state(token, now) is TokenState.LIVE and token.expires_at <= now + soon()
