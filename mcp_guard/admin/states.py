"""In which state a token or an origin is: one table for the column, the filter and the counts."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from django.contrib.auth import get_user_model
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from mcp_guard.models import AllowedOrigin, Token
from mcp_guard.token_state import TokenState, expires_soon, soon, token_state

SOON: Final = timedelta(days=14)
"""An origin that expires within this time expires soon."""


class State(Enum):
    """What keeps a row from working, or that nothing does."""

    LIVE = "live"
    EXPIRING = "expiring"
    NOT_YET = "not-yet"
    EXPIRED = "expired"
    REVOKED = "revoked"
    SWITCHED_OFF = "off"
    USER_INACTIVE = "user-inactive"
    CLIENT_DISABLED = "client-disabled"


LABELS: Final = {
    State.LIVE: _("live"),
    State.EXPIRING: _("live, expires soon"),
    State.NOT_YET: _("not yet valid"),
    State.EXPIRED: _("expired"),
    State.REVOKED: _("revoked"),
    State.SWITCHED_OFF: _("switched off"),
    State.USER_INACTIVE: _("user inactive"),
    State.CLIENT_DISABLED: _("client disabled"),
}

WORKING: Final = frozenset({State.LIVE, State.EXPIRING})

TOKEN_STATES: Final = tuple(state for state in State if state is not State.SWITCHED_OFF)
ORIGIN_STATES: Final = (
    State.LIVE, State.EXPIRING, State.EXPIRED, State.SWITCHED_OFF, State.CLIENT_DISABLED,
)  # fmt: skip

_OF_TOKEN: Final = {
    TokenState.LIVE: State.LIVE,
    TokenState.NOT_YET_VALID: State.NOT_YET,
    TokenState.EXPIRED: State.EXPIRED,
    TokenState.REVOKED: State.REVOKED,
    TokenState.USER_INACTIVE: State.USER_INACTIVE,
    TokenState.CLIENT_DISABLED: State.CLIENT_DISABLED,
}


def of_token(token: Token, now: datetime) -> State:
    """Return the state of a token; one that works and expires soon is told apart."""
    return State.EXPIRING if expires_soon(token, now) else _OF_TOKEN[token_state(token, now)]


def of_origin(origin: AllowedOrigin, now: datetime) -> State:
    """Return the state of an origin."""
    if origin.expires_at is not None and origin.expires_at <= now:
        return State.EXPIRED
    if not origin.client.active:
        return State.CLIENT_DISABLED
    if not origin.active:
        return State.SWITCHED_OFF
    if origin.expires_at is not None and origin.expires_at <= now + SOON:
        return State.EXPIRING
    return State.LIVE


def tokens_in(state: State, now: datetime) -> Q:
    """Return the condition under which ``of_token`` gives this state."""
    conditions = [
        (State.REVOKED, Q(revoked_at__isnull=False)),
        (State.EXPIRED, Q(expires_at__lte=now)),
        (State.CLIENT_DISABLED, Q(client__active=False)),
        (State.USER_INACTIVE, _inactive_user()),
        (State.NOT_YET, Q(not_before__gt=now)),
        (State.EXPIRING, Q(expires_at__lte=now + soon())),
    ]
    return _first(state, conditions)


def origins_in(state: State, now: datetime) -> Q:
    """Return the condition under which ``of_origin`` gives this state."""
    conditions = [
        (State.EXPIRED, Q(expires_at__isnull=False, expires_at__lte=now)),
        (State.CLIENT_DISABLED, Q(client__active=False)),
        (State.SWITCHED_OFF, Q(active=False)),
        (State.EXPIRING, Q(expires_at__isnull=False, expires_at__lte=now + SOON)),
    ]
    return _first(state, conditions)


def _first(state: State, conditions: list[tuple[State, Q]]) -> Q:
    """Return the condition of one state and of none before it; the last, unnamed state is LIVE."""
    before = Q()
    for found, condition in conditions:
        if found is state:
            return before & condition
        before &= ~condition
    return before


def _inactive_user() -> Q:
    """Return the condition for a user who is switched off; a user model may know no such thing."""
    names = {field.name for field in get_user_model()._meta.get_fields()}
    return Q(user__is_active=False) if "is_active" in names else Q(pk__in=[])
