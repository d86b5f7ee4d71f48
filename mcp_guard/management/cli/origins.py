"""``origin``: the allowlist."""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import Any

from mcp_guard import changes
from mcp_guard.management.cli import import_cors
from mcp_guard.management.cli.arguments import (
    Parser,
    SubParsers,
    add_names,
    declare_noun,
    declare_verb,
    distinct,
    given,
    moment,
)
from mcp_guard.management.cli.call import Answer, BadInput, Call
from mcp_guard.management.cli.rows import client_named, names_in, origin_listed
from mcp_guard.management.cli.text import iso, pairs, table
from mcp_guard.models import AllowedOrigin

NEVER = "never"
"""What ``--expires`` says for an origin that stays listed."""

_COLUMNS = ("origin", "client", "endpoints", "cookies", "active", "expires_at", "note")


def declare(nouns: SubParsers) -> None:
    """Add the noun and its verbs."""
    verbs = declare_noun(nouns, "origin", "origins whose pages may call an endpoint")
    add = declare_verb(verbs, "add", _add, "list an origin")
    add.add_argument("origin", help="scheme, host and port, such as https://app.example.com")
    add.add_argument("--client", required=True, metavar="NAME", help="on whose behalf its pages call")
    add_names(add, "--endpoint", "endpoints that its pages may call", required=True)
    add.add_argument("--cookies", action="store_true", help="its pages may act with a user's session cookie")
    _add_common_fields(add)
    change = declare_verb(verbs, "set", _set, "change a listed origin; options left out stay as they are")
    change.add_argument("origin", help="the origin")
    change.add_argument("--client", metavar="NAME", help="on whose behalf its pages call")
    add_names(change, "--endpoint", "endpoints, replacing those it has; nothing after it: none", nargs="*")
    flag = argparse.BooleanOptionalAction
    change.add_argument("--cookies", action=flag, help="its pages may act with a user's session cookie")
    change.add_argument("--active", action=flag, help="whether the row counts at all")
    _add_common_fields(change)
    find = declare_verb(verbs, "list", _list, "list the allowlist")
    find.add_argument("--client", metavar="NAME", help="only those of this client")
    find.add_argument("--endpoint", metavar="ENDPOINT", help="only those that may call this endpoint")
    remove = declare_verb(verbs, "remove", _remove, "take an origin off the allowlist")
    remove.add_argument("origin", help="the origin")
    import_cors.declare(verbs)


def origin_object(row: AllowedOrigin) -> dict[str, Any]:
    """Return a listed origin as ``--json`` prints it."""
    return {
        "id": row.pk,
        "origin": row.origin,
        "client": row.client.name,
        "endpoints": row.endpoints,
        "cookies": row.cookies,
        "active": row.active,
        "expires_at": iso(row.expires_at),
        "note": row.note,
        "created_at": iso(row.created_at),
    }


def expiry(text: str | None, now: datetime) -> datetime | None:
    """Return when an origin is no longer listed; None when it stays."""
    return None if text in (None, NEVER) else moment(text, now, "expires_at")


def _add_common_fields(parser: Parser) -> None:
    parser.add_argument("--expires", metavar="T", help="when it is listed no longer: 30d, an ISO time, never")
    parser.add_argument("--note", help="why it is listed")


def _add(call: Call) -> Answer:
    options = call.options
    row = changes.list_origin(
        call.actor,
        origin=options.origin,
        client=client_named(options.client),
        endpoints=distinct(options.endpoint),
        cookies=options.cookies,
        expires_at=expiry(options.expires, call.now),
        **given(options, "note"),
    )
    return _said("listed", row, options.origin)


def _set(call: Call) -> Answer:
    options = call.options
    row = origin_listed(options.origin)
    values = given(options, "cookies", "active", "note")
    if options.client is not None:
        values["client"] = client_named(options.client)
    if options.endpoint is not None:
        values["endpoints"] = distinct(options.endpoint)
    if options.expires is not None:
        values["expires_at"] = expiry(options.expires, call.now)
    if not values:
        raise BadInput("nothing to change: give at least one option")
    return _said("changed", changes.set_origin(call.actor, row, **values), options.origin)


def _list(call: Call) -> Answer:
    found = AllowedOrigin.objects.select_related("client")
    if call.options.client is not None:
        found = found.filter(client=client_named(call.options.client))
    wanted = call.options.endpoint
    rows = [origin_object(row) for row in found if wanted is None or wanted in names_in(row.endpoints)]
    return Answer(rows, table(rows, _COLUMNS, empty="no origins"))


def _remove(call: Call) -> Answer:
    row = origin_listed(call.options.origin)
    removed = origin_object(row)
    changes.unlist_origin(call.actor, row)
    return Answer(removed, [f"removed origin {row.origin}"])


def _said(what: str, row: AllowedOrigin, typed: str) -> Answer:
    data = origin_object(row)
    as_typed = "" if typed == row.origin else f" (typed as {typed})"
    return Answer(data | {"typed": typed}, [f"{what} origin {row.origin}{as_typed}", *pairs(data)])
