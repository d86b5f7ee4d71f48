"""Find rows by what an operator typed; what does not exist is bad input beside its field."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from django.contrib.auth import get_user_model

from mcp_guard.management.cli.arguments import distinct
from mcp_guard.management.cli.call import BadInput
from mcp_guard.models import AllowedOrigin, Client, Refusal, RegisteredServer, Scope, Token
from mcp_guard.policy.origin import OriginError, canonical


def client_named(name: str, field: str = "client") -> Client:
    """Return the client of that name.

    Raises:
        BadInput: beside ``field``.
    """
    found: Client | None = Client.objects.filter(name=name).first()
    if found is None:
        raise BadInput.in_field(field, f"there is no client “{name[:80]}”")
    return found


def scope_named(name: str) -> Scope:
    """Return the scope of that name.

    Raises:
        BadInput: beside ``name``.
    """
    found: Scope | None = Scope.objects.filter(name=name).first()
    if found is None:
        raise BadInput.in_field("name", f"there is no scope “{name[:80]}”")
    return found


def scopes_named(names: Sequence[str] | None) -> list[Scope]:
    """Return the scopes of these names.

    Raises:
        BadInput: beside ``scopes``, naming each one that does not exist.
    """
    wanted = distinct(names)
    found = {scope.name: scope for scope in Scope.objects.filter(name__in=wanted)}
    missing = [f"there is no scope “{name[:80]}”" for name in wanted if name not in found]
    if missing:
        raise BadInput("", {"scopes": missing})
    return [found[name] for name in wanted]


def server_named(name: str) -> RegisteredServer:
    """Return the registered server of that name.

    Raises:
        BadInput: beside ``name``.
    """
    found: RegisteredServer | None = RegisteredServer.objects.filter(name=name).first()
    if found is None:
        raise BadInput.in_field("name", f"there is no registered server “{name[:80]}”")
    return found


def origin_listed(text: str) -> AllowedOrigin:
    """Return the row of an origin, typed as it is stored or in any form that is canonicalized to it.

    Rows that hold something else than an origin (written around ``mcp_guard.changes``) are found too.

    Raises:
        BadInput: beside ``origin``.
    """
    rows = AllowedOrigin.objects.select_related("client")
    found: AllowedOrigin | None = rows.filter(origin=text).first()
    if found is not None:
        return found
    try:
        origin = canonical(text)
    except OriginError as error:
        raise BadInput.in_field("origin", str(error)) from None
    listed: AllowedOrigin | None = rows.filter(origin=origin).first()
    if listed is None:
        raise BadInput.in_field("origin", f"{origin} is not listed")
    return listed


def token_numbered(text: str) -> Token:
    """Return the token of an id. What was typed is not repeated: it may be a token text.

    Raises:
        BadInput: beside ``id``.
    """
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise BadInput.in_field("id", "a token's id is a number; “token list” shows it")
    found: Token | None = Token.objects.select_related("client", "user").filter(pk=int(text)).first()
    if found is None:
        raise BadInput.in_field("id", f"there is no token {text}")
    return found


def refusal_numbered(text: str) -> Refusal:
    """Return the refusals of an id.

    Raises:
        BadInput: beside ``id``.
    """
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise BadInput.in_field("id", "the id of refusals is a number; “refusals list” shows it")
    found = Refusal.objects.filter(pk=int(text)).first()
    if found is None:
        raise BadInput.in_field("id", f"there are no refusals {text}")
    return found


def user_named(name: str) -> Any:
    """Return the active user of that name.

    Raises:
        BadInput: beside ``user``.
    """
    model: Any = get_user_model()
    try:
        user = model._default_manager.get_by_natural_key(name)
    except model.DoesNotExist:
        raise BadInput.in_field("user", f"there is no user “{name[:150]}”") from None
    if not user.is_active:
        raise BadInput.in_field("user", "the user is deactivated: the token would never work")
    return user


def names_in(value: object) -> list[str]:
    """Return the names that a JSON column holds; empty for anything that is not a list of them."""
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []
