"""``scope``: named sets of grants."""

from __future__ import annotations

from typing import Any

from mcp_guard import changes
from mcp_guard.management.cli.arguments import (
    SubParsers,
    add_names,
    declare_noun,
    declare_verb,
    distinct,
    given,
)
from mcp_guard.management.cli.call import Answer, BadInput, Call
from mcp_guard.management.cli.rows import scope_named
from mcp_guard.management.cli.text import pairs, table
from mcp_guard.models import Client, Scope, Token

_COLUMNS = ("name", "grants", "endpoints", "description")


def declare(nouns: SubParsers) -> None:
    """Add the noun and its verbs."""
    verbs = declare_noun(nouns, "scope", "named sets of grants: which methods, tools, resources and prompts")
    add = declare_verb(verbs, "add", _add, "add a scope")
    add.add_argument("name", help="its name: letters, digits, - and _")
    add_names(add, "--grant", "what it opens, such as tools/call:read_note", required=True)
    add_names(add, "--endpoint", "endpoints where it counts; without this option at every one")
    add.add_argument("--description", help="what it is for")
    change = declare_verb(verbs, "set", _set, "change a scope; tokens that have it gain or lose at once")
    change.add_argument("name", help="its name")
    add_names(change, "--grant", "what it opens, replacing its grants; nothing after it: none", nargs="*")
    add_names(change, "--endpoint", "endpoints where it counts; nothing after it: every one", nargs="*")
    change.add_argument("--description", help="what it is for")
    declare_verb(verbs, "list", _list, "list all scopes")
    remove = declare_verb(verbs, "remove", _remove, "remove a scope; tokens and clients lose its grants")
    remove.add_argument("name", help="its name")


def scope_object(scope: Scope) -> dict[str, Any]:
    """Return a scope as ``--json`` prints it."""
    return {
        "id": scope.pk,
        "name": scope.name,
        "grants": scope.grants,
        "endpoints": scope.endpoints,
        "description": scope.description,
    }


def _add(call: Call) -> Answer:
    options = call.options
    values = given(options, "description")
    if options.endpoint is not None:
        values["endpoints"] = distinct(options.endpoint)
    scope = changes.add_scope(call.actor, name=options.name, grants=distinct(options.grant), **values)
    return _said("added", scope)


def _set(call: Call) -> Answer:
    scope = scope_named(call.options.name)
    values: dict[str, Any] = given(call.options, "description")
    if call.options.grant is not None:
        values["grants"] = distinct(call.options.grant)
    if call.options.endpoint is not None:
        values["endpoints"] = distinct(call.options.endpoint)
    if not values:
        raise BadInput("nothing to change: give at least one option")
    return _said("changed", changes.set_scope(call.actor, scope, **values))


def _list(_call: Call) -> Answer:
    rows = [scope_object(scope) for scope in Scope.objects.all()]
    return Answer(rows, table(rows, _COLUMNS, empty="no scopes"))


def _remove(call: Call) -> Answer:
    scope = scope_named(call.options.name)
    removed = scope_object(scope) | {
        "tokens": Token.objects.filter(scopes=scope).count(),
        "clients": Client.objects.filter(scopes=scope).count(),
    }
    changes.remove_scope(call.actor, scope)
    return Answer(
        removed,
        [f"removed scope {scope.name}; {removed['tokens']} tokens and {removed['clients']} clients had it"],
    )


def _said(what: str, scope: Scope) -> Answer:
    data = scope_object(scope)
    return Answer(data, [f"{what} scope {scope.name}", *pairs(data)])
