"""Write the policy of the table into the database, states that no change leads to at once included."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.models import Session
from django.utils import timezone

from mcp_guard import models, tickets
from mcp_guard.tokens import digest
from mcp_guard.writing import policy_write
from tests.rows import world
from tests.rows.configurations import REPORT_ONLY


def populate() -> None:
    """Write users, sessions and policy."""
    users = {user.name: _add_user(user) for user in world.USERS}
    for session in world.SESSIONS:
        if session.user is not None:
            _add_session(session, users[session.user.name])
    with policy_write():
        scopes = {name: models.Scope(name=name, grants=grants) for name, grants in world.SCOPES.items()}
        for scope in scopes.values():
            scope.save()
        clients = {client.name: _add_client(client, scopes) for client in world.CLIENTS}
        for origin in world.ORIGINS:
            _add_origin(origin, clients[origin.client.name])
        for token in world.TOKENS:
            _add_token(token, clients, users, scopes)
        for name, seconds in REPORT_ONLY.items():
            models.EndpointState(name=name, report_only_until=_at(seconds)).save()


def add_tickets() -> None:
    """Write the tickets of the table anew, whichever have been redeemed."""
    models.Ticket.objects.all().delete()
    for ticket in world.TICKETS:
        text = ticket.text.encode()
        models.Ticket.objects.create(
            digest=tickets.digest(text).hex(),
            endpoint=ticket.endpoint,
            origin="" if ticket.origin is None else ticket.origin.url,
            holder=ticket.name[:40],
            sealed=tickets.seal(tickets.key(text), _held(ticket)).hex(),
            expires_at=_at(ticket.expires),
        )


def _held(ticket: world.Ticket) -> bytes:
    match ticket.held:
        case world.Token(text=text):
            return json.dumps({"token": digest(text).hex()}).encode()
        case world.Session(key=key):
            return json.dumps({"session": key}).encode()
        case text:
            return json.dumps({"nonce": hashlib.sha256(text.encode()).hexdigest()}).encode()


def _at(seconds: int | None) -> datetime | None:
    return None if seconds is None else timezone.now() + timedelta(seconds=seconds)


def _add_user(user: world.User) -> Any:
    return get_user_model().objects.create_user(user.name, password="x", is_active=user.active)


def _add_session(session: world.Session, user: Any) -> None:
    values = {
        SESSION_KEY: str(user.pk),
        BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend",
        HASH_SESSION_KEY: "of an old password" if session.is_stale else user.get_session_auth_hash(),
    }
    Session.objects.save(session.key, values, timezone.now() + timedelta(days=1))


def _add_client(client: world.Client, scopes: dict[str, models.Scope]) -> models.Client:
    row = models.Client(name=client.name, active=client.active)
    row.save()
    row.scopes.set([scopes[name] for name in client.scopes])
    return row


def _add_origin(origin: world.Origin, client: models.Client) -> None:
    models.AllowedOrigin(
        origin=origin.url,
        client=client,
        endpoints=list(origin.endpoints),
        cookies=origin.cookies,
        active=origin.active,
        expires_at=_at(origin.expires),
    ).save()


def _add_token(
    token: world.Token, clients: dict[str, Any], users: dict[str, Any], scopes: dict[str, Any]
) -> None:
    row = models.Token(
        client=clients[token.client.name],
        user=None if token.user is None else users[token.user.name],
        name=token.name,
        kind=token.kind,
        endpoints=list(token.endpoints),
        not_before=_at(token.not_before),
        expires_at=_at(token.expires),
        revoked_at=timezone.now() if token.revoked else None,
    )
    row.save()
    row.scopes.set([scopes[name] for name in token.scopes])
    models.TokenSecret(
        token=row, digest=digest(token.text).hex(), mask="", expires_at=_at(token.secret_expires)
    ).save()
