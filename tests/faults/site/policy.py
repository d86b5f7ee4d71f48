"""Orders to the writer: each changes policy, or what sockets live by besides it, in one transaction."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.db import connection
from django.utils import timezone

from mcp_guard import changes
from mcp_guard.audit import events
from mcp_guard.live.counter import path_of_database
from mcp_guard.models import AllowedOrigin, AuditEvent, AuditSeal, Client, Revision, Shipment, Token

ACTOR: Final = changes.Actor.of_command("faults")


def counter() -> str:
    """Return the file of the shared counter, to be removed with the database."""
    return str(path_of_database() or "")


def client(name: str) -> None:
    changes.add_client(ACTOR, name=name)


def origin(name: str, of: str, *, cookies: bool = False) -> None:
    owner = Client.objects.get(name=of)
    changes.list_origin(ACTOR, origin=name, client=owner, endpoints=["tools", "pages"], cookies=cookies)


def issue(
    of: str, count: int = 1, kind: str = "server", user: int | None = None, valid_in: float = 0.0
) -> list[tuple[int, str]]:
    """Issue tokens, valid so many seconds from now, and return id and text of each."""
    owner = Client.objects.get(name=of)
    begins = timezone.now() + timedelta(seconds=valid_in) if valid_in else None
    values = {"endpoints": ["tools", "pages"], "kind": kind, "user_id": user, "not_before": begins}
    issued = [changes.issue_token(ACTOR, client=owner, name=f"t{n}", **values) for n in range(count)]
    return [(each.token.pk, each.text) for each in issued]


def grant(of: str, *, grants: list[str]) -> list[tuple[int, str]]:
    """Issue a token with a scope of these grants, and return its id and text."""
    scope = changes.add_scope(ACTOR, name="granted", grants=grants)
    owner = Client.objects.get(name=of)
    issued = changes.issue_token(
        ACTOR, client=owner, name="granted", endpoints=["tools"], scopes=[scope], kind="server"
    )
    return [(issued.token.pk, issued.text)]


def revoke(token: int) -> None:
    changes.revoke_token(ACTOR, Token.objects.get(pk=token))


def is_revoked(token: int) -> bool:
    return Token.objects.get(pk=token).revoked_at is not None


def expire(token: int, seconds: float) -> None:
    """Have a token expire so many seconds from now."""
    moment = timezone.now() + timedelta(seconds=seconds)
    changes.set_token(ACTOR, Token.objects.get(pk=token), expires_at=moment)


def delete(token: int) -> None:
    changes.delete_token(ACTOR, Token.objects.get(pk=token))


def disable(client: str) -> None:
    changes.set_client(ACTOR, Client.objects.get(name=client), active=False)


def unlist(origin: str) -> None:
    changes.unlist_origin(ACTOR, AllowedOrigin.objects.get(origin=origin))


def _store() -> Any:
    return import_module(settings.SESSION_ENGINE).SessionStore


def user() -> int:
    return get_user_model().objects.create_user(f"u{secrets.token_hex(6)}", password="one").pk


def login(user: int) -> str:
    """Return the key of a new session of a user."""
    person = get_user_model().objects.get(pk=user)
    session = _store()()
    session[SESSION_KEY] = str(person.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = person.get_session_auth_hash()
    session.create()
    return session.session_key


def logout(session: str) -> None:
    _store()(session).flush()


def deactivate(user: int) -> None:
    get_user_model().objects.filter(pk=user).update(is_active=False)


def delete_user(user: int) -> None:
    get_user_model().objects.get(pk=user).delete()


def change_password(user: int) -> None:
    person = get_user_model().objects.get(pk=user)
    person.set_password("two")
    person.save()


def record(count: int) -> None:
    """Record so many events in the audit trail."""
    for _ in range(count):
        events.put(events.Event(AuditEvent.Category.CALL, "call", subject="read_note", outcome="ok"))
    events.flush()


def sealed() -> tuple[int, int]:
    """Return the number of the last sealed event, and how many are not sealed yet."""
    seal = AuditSeal.objects.filter(pk=1).first()
    return seal.seq if seal else 0, AuditEvent.objects.filter(seq=None).count()


def shipped(destination: str) -> tuple[int, int]:
    """Return the watermark of a destination and its failures in a row."""
    row = Shipment.objects.filter(pk=destination).first()
    return (row.seq, row.failures) if row else (0, 0)


def revision() -> int:
    return Revision.objects.get().n


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


ORDERS: Final[dict[str, Callable[..., Any]]] = {
    order.__name__: order
    for order in (
        counter, client, origin, grant, issue, revoke, is_revoked, expire, delete, disable, unlist,
        user, login, logout, deactivate, delete_user, change_password, revision, sql, record,
        sealed, shipped,
    )
}  # fmt: skip
