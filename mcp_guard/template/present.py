"""The rows that a template meets."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from mcp_guard.conf import config
from mcp_guard.live.server_rows import is_approved, registration_of
from mcp_guard.models import AllowedOrigin, Client, RegisteredServer, Scope, Token
from mcp_guard.template.document import Template
from mcp_guard.template.rows import Present, PresentOrigin, PresentScope, PresentToken, Target
from mcp_guard.token_state import TokenState, token_state


def present(template: Template, target: Target, now: datetime) -> Present:
    """Return the rows that are there at a moment."""
    client = Client.objects.filter(name=target.client).first()
    named = [origin for _, origin in template.websocket.origins]
    origins = AllowedOrigin.objects.select_related("client")
    scopes = Scope.objects.filter(name__in=[target.scope(entry) for entry in template.authentication.tokens])
    return Present(
        client_active=None if client is None else client.active,
        origins={row.origin: _origin(row, now) for row in origins.filter(origin__in=named)},
        others=_others(target, named),
        scopes={row.name: PresentScope(tuple(row.grants), row.description) for row in scopes},
        tokens=_tokens(client, template, now),
        server=RegisteredServer.objects.filter(name=target.server).values().first()
        if target.server
        else None,
    )


def awaits_approval(target: Target) -> bool:
    """Return whether the registered server may not run before somebody has approved it; False for none."""
    row = RegisteredServer.objects.filter(name=target.server).first() if target.server else None
    of_two = config().servers.need_approval
    return row is not None and not is_approved(row, registration_of(row), of_two=of_two)


def _origin(row: Any, now: datetime) -> PresentOrigin:
    in_force = row.active and (row.expires_at is None or row.expires_at > now)
    return PresentOrigin(row.client.name, tuple(row.endpoints), in_force)


def _others(target: Target, named: list[str]) -> tuple[str, ...]:
    """Return origins of the client that may call the endpoint, and the template does not name."""
    rows = (
        AllowedOrigin.objects.filter(client__name=target.client).exclude(origin__in=named).order_by("origin")
    )
    return tuple(row.origin for row in rows if target.endpoint in row.endpoints)


def _tokens(client: Any, template: Template, now: datetime) -> dict[str, PresentToken]:
    """Return the tokens of the client that are named in the template and neither revoked nor expired."""
    names = [entry.name for entry in template.authentication.tokens]
    rows = Token.objects.filter(client=client, name__in=names).prefetch_related("scopes") if client else ()
    ended = (TokenState.REVOKED, TokenState.EXPIRED)
    return {row.name: _token(row) for row in rows if token_state(row, now) not in ended}


def _token(row: Any) -> PresentToken:
    scopes = tuple(sorted(scope.name for scope in row.scopes.all()))
    return PresentToken(row.pk, row.kind, tuple(row.endpoints), scopes)
