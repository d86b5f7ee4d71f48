"""Tell the SDK who a message acts for, in its own terms."""

from __future__ import annotations

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken

from mcp_guard.policy.decision import Principal
from mcp_guard.policy.scopes import Grants


def sdk_user(principal: Principal) -> AuthenticatedUser | None:
    """Return the SDK's user for a principal, None for the anonymous one.

    The SDK binds a session to client and subject; both outlive the rotation of a token. The token's
    text is not in it: what a client presents is never passed on. ``claims`` has the client's name.
    """
    if principal.identity == (None, None):
        return None
    return AuthenticatedUser(
        AccessToken(
            token="",
            client_id="" if principal.client_id is None else str(principal.client_id),
            subject=None if principal.user_id is None else str(principal.user_id),
            scopes=texts(principal.grants),
            claims={"client_name": principal.client},
        )
    )


def texts(grants: Grants) -> list[str]:
    """Return grants as an operator types them, sorted."""
    return sorted([*grants.exact, *(f"{prefix}*" for prefix in grants.prefixes)])
