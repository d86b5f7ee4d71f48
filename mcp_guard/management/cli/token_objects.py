"""What the command prints of a token: never its text, never its digest."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from mcp_guard.management.cli.text import iso
from mcp_guard.models import Token, TokenUse
from mcp_guard.token_state import token_state
from mcp_guard.token_uses import Service, last_use, last_use_of_secret, with_uses

COLUMNS: Final = (
    "id", "client", "name", "kind", "user", "endpoints", "scopes", "state", "expires_at", "last_used",
)  # fmt: skip
"""What lists of tokens show."""


def tokens() -> Any:
    """Return all tokens with everything that is shown of them."""
    return with_uses(Token.objects.select_related("client", "user").prefetch_related("scopes", "secrets"))


def token_object(token: Token, now: datetime) -> dict[str, Any]:
    """Return a token as ``--json`` prints it, without any text or digest."""
    return {
        "id": token.pk,
        "client": token.client.name,
        "name": token.name,
        "kind": token.kind,
        "user": token.user.get_username() if token.user else None,
        "endpoints": token.endpoints,
        "scopes": sorted(scope.name for scope in token.scopes.all()),
        "state": token_state(token, now).value,
        "not_before": iso(token.not_before),
        "expires_at": iso(token.expires_at),
        "revoked_at": iso(token.revoked_at),
        "created_at": iso(token.created_at),
        "last_used": use_object(last_use(token)),
        "secrets": [
            {
                "mask": secret.mask,
                "created_at": iso(secret.created_at),
                "expires_at": iso(secret.expires_at),
                "last_used": use_object(last_use_of_secret(token, secret.pk)),
            }
            for secret in token.secrets.all()
        ],
    }


def use_object(use: TokenUse | None) -> dict[str, Any] | None:
    """Return a use as ``--json`` prints it."""
    if use is None:
        return None
    return {
        "at": iso(use.last_at),
        "address": use.address,
        "endpoint": use.endpoint,
        "user_agent": use.user_agent,
    }


def service_object(service: Service) -> dict[str, Any]:
    """Return who uses a token as ``--json`` prints it."""
    return service._asdict() | {"last_at": iso(service.last_at)}


def in_cells(row: dict[str, Any]) -> dict[str, Any]:
    """Return a token as text shows it: its last use in one cell."""
    use = row["last_used"]
    return row | {"last_used": f"{use['at']} {use['address']} {use['endpoint']}" if use else None}


def secret_line(secret: dict[str, Any]) -> str:
    """Return one secret as text shows it."""
    until = f" until {secret['expires_at']}" if secret["expires_at"] else ""
    used = f", last used {secret['last_used']['at']}" if secret["last_used"] else ", never used"
    return f"{secret['mask']}{until}{used}"
