"""``status``: which policy the database holds, and what of it cannot be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.db.models import Q

from mcp_guard import __version__
from mcp_guard.live.load import load
from mcp_guard.management.cli.arguments import SubParsers, declare_verb
from mcp_guard.management.cli.call import Answer, Call
from mcp_guard.management.cli.endpoints import endpoint_objects
from mcp_guard.management.cli.rows import names_in
from mcp_guard.management.cli.text import GAP, pairs, table
from mcp_guard.models import AllowedOrigin, Client, EndpointState, Scope, Token
from mcp_guard.token_state import TokenState, expires_soon, token_state

_COLUMNS = ("name", "profile", "origins", "report_only_until")


def declare(nouns: SubParsers) -> None:
    """Add the command; it has no verbs."""
    declare_verb(nouns, "status", _status, "show the revision, what there is, and rows that cannot be used")


def _status(call: Call) -> Answer:
    snapshot = load()
    endpoints = [
        row | {"origins": len(snapshot.endpoints[row["name"]].allowlist)}
        for row in endpoint_objects(call.now)
    ]
    problems = [*snapshot.problems, *_undeclared({str(row["name"]) for row in endpoints})]
    head = {"version": __version__, "revision": snapshot.revision, "epoch": snapshot.epoch or None}
    counts = _counts(call)
    data = head | {"counts": counts, "endpoints": endpoints, "problems": problems}
    lines = [*pairs(head | counts), "", *table(endpoints, _COLUMNS, empty="no endpoints"), ""]
    lines += ["what cannot be used; it lets nobody in:"] if problems else ["no row is unusable"]
    return Answer(data, [*lines, *(GAP + problem for problem in problems)])


def _counts(call: Call) -> dict[str, int]:
    tokens = list(Token.objects.select_related("client", "user"))
    states = Counter(token_state(token, call.now) for token in tokens)
    origins = AllowedOrigin.objects.all()
    listed = origins.filter(Q(expires_at=None) | Q(expires_at__gt=call.now), active=True, client__active=True)
    return {
        "clients": Client.objects.count(),
        "clients_disabled": Client.objects.filter(active=False).count(),
        "origins": origins.count(),
        "origins_listed": listed.count(),
        "scopes": Scope.objects.count(),
        "tokens": len(tokens),
        "tokens_live": states[TokenState.LIVE],
        "tokens_expiring": sum(expires_soon(token, call.now) for token in tokens),
        "tokens_revoked": states[TokenState.REVOKED],
    }


def _undeclared(declared: set[str]) -> Iterator[str]:
    """Yield what names an endpoint that the settings do not declare (any more)."""
    rows: list[tuple[str, Any]] = [
        *((f"allowed origin {row.origin}", row.endpoints) for row in AllowedOrigin.objects.all()),
        *((f"token {row.pk}", row.endpoints) for row in Token.objects.filter(revoked_at=None)),
        *((f"endpoint {row.name}", [row.name]) for row in EndpointState.objects.all()),
    ]
    for where, names in rows:
        for name in names_in(names):
            if name not in declared:
                yield f"{where}: the settings declare no endpoint {name!r}"
