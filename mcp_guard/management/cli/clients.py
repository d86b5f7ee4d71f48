"""``client``: the parties that are let in."""

from __future__ import annotations

from typing import Any

from django.db.models import Count

from mcp_guard import changes
from mcp_guard.management.cli.arguments import (
    Parser,
    SubParsers,
    add_names,
    declare_noun,
    declare_verb,
    given,
)
from mcp_guard.management.cli.call import Answer, BadInput, Call
from mcp_guard.management.cli.rows import client_named, scopes_named
from mcp_guard.management.cli.text import iso, pairs, table
from mcp_guard.models import Client

_COLUMNS = ("name", "active", "owner", "contact", "scopes", "origins", "tokens")


def declare(nouns: SubParsers) -> None:
    """Add the noun and its verbs."""
    verbs = declare_noun(nouns, "client", "parties that are let in; they own origins and tokens")
    add = declare_verb(verbs, "add", _add, "add a client")
    add.add_argument("name", help="its name: letters, digits, - and _")
    _add_fields(add, "scopes of its sessions; none lets them do nothing", nargs="+")
    change = declare_verb(verbs, "set", _set, "change a client; options left out stay as they are")
    change.add_argument("name", help="its name")
    change.add_argument("--name", dest="new_name", metavar="NEW", help="its new name")
    _add_fields(change, "scopes of its sessions, replacing those it has; nothing after it: none", nargs="*")
    declare_verb(verbs, "list", _list, "list all clients")
    for name, run, about in (
        ("disable", _disable, "refuse all its origins and tokens at once"),
        ("enable", _enable, "let its origins and tokens in again"),
        ("remove", _remove, "remove a client that owns neither origins nor tokens"),
    ):
        declare_verb(verbs, name, run, about).add_argument("name", help="its name")


def client_object(client: Client) -> dict[str, Any]:
    """Return a client as ``--json`` prints it."""
    return {
        "id": client.pk,
        "name": client.name,
        "active": client.active,
        "owner": client.owner,
        "contact": client.contact,
        "notes": client.notes,
        "scopes": sorted(scope.name for scope in client.scopes.all()),
        "created_at": iso(client.created_at),
    }


def _add_fields(parser: Parser, about_scopes: str, *, nargs: str) -> None:
    parser.add_argument("--owner", help="who answers for it")
    parser.add_argument("--contact", help="how to reach them")
    parser.add_argument("--notes", help="anything else")
    add_names(parser, "--scope", about_scopes, nargs=nargs)


def _add(call: Call) -> Answer:
    options = call.options
    values = given(options, "owner", "contact", "notes")
    scopes = scopes_named(options.scope)
    return _said("added", changes.add_client(call.actor, name=options.name, scopes=scopes, **values))


def _set(call: Call) -> Answer:
    options = call.options
    client = client_named(options.name, "name")
    values: dict[str, Any] = given(options, "owner", "contact", "notes")
    if options.new_name is not None:
        values["name"] = options.new_name
    scopes = None if options.scope is None else scopes_named(options.scope)
    if not values and scopes is None:
        raise BadInput("nothing to change: give at least one option")
    return _said("changed", changes.set_client(call.actor, client, scopes=scopes, **values))


def _list(_call: Call) -> Answer:
    clients = Client.objects.prefetch_related("scopes").annotate(
        origin_count=Count("origins", distinct=True), token_count=Count("tokens", distinct=True)
    )
    rows = [
        client_object(client) | {"origins": client.origin_count, "tokens": client.token_count}
        for client in clients
    ]
    return Answer(rows, table(rows, _COLUMNS, empty="no clients"))


def _disable(call: Call) -> Answer:
    client = client_named(call.options.name, "name")
    return _said("disabled", changes.set_client(call.actor, client, active=False))


def _enable(call: Call) -> Answer:
    client = client_named(call.options.name, "name")
    return _said("enabled", changes.set_client(call.actor, client, active=True))


def _remove(call: Call) -> Answer:
    client = client_named(call.options.name, "name")
    removed = client_object(client)
    changes.delete_client(call.actor, client)
    return Answer(removed, [f"removed client {client.name}"])


def _said(what: str, client: Client) -> Answer:
    data = client_object(client)
    return Answer(data, [f"{what} client {client.name}", *pairs(data)])
