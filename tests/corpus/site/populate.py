"""Fill the database of one copy of the site, and name what the cases refer to."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
from django.db.models import Model
from django.http import HttpRequest
from django.middleware.csrf import get_token
from django.urls import reverse
from django.utils import timezone

from mcp_guard import changes, nonce
from mcp_guard.conf import config
from mcp_guard.models import Client, Scope, Token
from mcp_guard.nonce_file import NonceFile
from mcp_guard.tokens import digest
from tests.corpus.site.policies import ELSEWHERE, ENDPOINT

ACTOR: Final = changes.Actor.of_command("corpus")


def populate(policy: dict[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """Write a policy into the database; return the placeholders and the admin entry of the ready line."""
    client = changes.add_client(ACTOR, name="corpus")
    users = _add_users()
    for origin in policy["origins"]:
        _list_origin(client, origin)
    issued = {name: _issue(client, users, name, token) for name, token in policy["tokens"].items()}
    texts = {name: text for name, (_, text) in issued.items()}
    good, good_text = issued["{good}"]
    sessions = {name: _session_key(user) for name, user in users.items()}
    placeholders = texts | {
        "{badsum}": good_text[:-1] + ("a" if good_text[-1] != "a" else "b"),
        "{hash_of_good}": digest(good_text).hex(),
        "{session}": sessions["corpus-admin"],
        "{session_of_other_user}": sessions["corpus-other"],
        "{csrf}": get_token(HttpRequest()),
        "{session_of_good}": secrets.token_hex(16),
        **_nonces(),
    }
    admin = _admin_entry(client, good, sessions["corpus-admin"], sessions["corpus-limited"])
    return placeholders, admin


def _nonces() -> dict[str, str]:
    """Return the nonce of an earlier start, and that of this one, which the server then takes."""
    earlier = NonceFile(Path(config().nonce_file))
    old = earlier.publish()
    earlier.remove(old)
    new = nonce.publish()
    assert new is not None
    return {"{nonce}": new, "{oldnonce}": old}


def _add_users() -> dict[str, User]:
    limited = User.objects.create(username="corpus-limited", is_staff=True)
    limited.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    users = [
        User.objects.create(username="corpus-good"),
        User.objects.create(username="corpus-other"),
        User.objects.create(username="corpus-disabled", is_active=False),
        User.objects.create(username="corpus-admin", is_staff=True, is_superuser=True),
        limited,
    ]
    return {user.username: user for user in users}


def _list_origin(client: Client, origin: str) -> None:
    typed = origin if origin != "null" else "https://null.example"
    row = changes.list_origin(ACTOR, origin=typed, client=client, endpoints=[ENDPOINT])
    if typed != origin:
        _update_past_the_form(row, "origin", origin)


def _update_past_the_form(row: Model, column: str, value: Any) -> None:
    """Write what no form takes; nothing is served yet, so nobody has to be told."""
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {quote(row._meta.db_table)} SET {quote(column)} = %s WHERE id = %s", [value, row.pk]
        )


def _issue(client: Client, users: dict[str, User], name: str, token: dict[str, Any]) -> tuple[Token, str]:
    now = timezone.now()
    state = token["state"]
    not_before: datetime | None = now + timedelta(days=1) if state.startswith("not valid") else None
    issued = changes.issue_token(
        ACTOR,
        client=client,
        name=name.strip("{}"),
        user=users[token["user"]],
        kind="any",
        endpoints=[ELSEWHERE if "another audience" in state else ENDPOINT],
        scopes=[_scope(text) for text in token["scopes"]],
        not_before=not_before,
    )
    match state:
        case "live":
            issued = _without_e(issued)
        case "expired":
            _update_past_the_form(issued.token, "expires_at", now - timedelta(hours=1))
        case "revoked":
            changes.revoke_token(ACTOR, issued.token)
    return issued.token, issued.text


def _without_e(issued: changes.IssuedSecret) -> changes.IssuedSecret:
    """Return the token with a text that has no small e.

    Fullwidth, that letter ends in the byte 0x85, a line end to some: Daphne answers such a header itself,
    and whether a case reaches the guard would be left to chance.
    """
    while "e" in issued.text:
        issued = changes.rotate_token(ACTOR, issued.token, overlap=timedelta(0))
    return issued


def _scope(text: str) -> Scope:
    """Return the scope for one of the case file; listing tools is free, so that one opens nothing."""
    name = text.replace(":", "-")
    found = Scope.objects.filter(name=name).first()
    if found is not None:
        return found
    kind, _, tool = text.removeprefix("tools:").partition(":")
    grants = [f"tools/{kind}:{tool}"] if tool else []
    return changes.add_scope(ACTOR, name=name, grants=grants)


def _session_key(user: User) -> str:
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    key = session.session_key
    assert key is not None
    return key


def _admin_entry(client: Client, good: Token, staff: str, limited: str) -> dict[str, Any]:
    revoke = {"action": "revoke_selected", "_selected_action": good.pk, "confirmed": "yes"}
    return {
        "url": reverse("admin:mcp_guard_allowedorigin_add"),
        "fields": {"client": client.pk, "endpoints": ENDPOINT},
        "cookie": f"sessionid={staff}",
        "cookie_limited": f"sessionid={limited}",
        "token_add_url": reverse("admin:mcp_guard_token_add"),
        "token_revoke_url": f"{reverse('admin:mcp_guard_token_changelist')}?{urlencode(revoke)}",
    }
