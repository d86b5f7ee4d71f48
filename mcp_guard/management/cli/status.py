"""``status``: which policy the database holds, what of it cannot be used, and who follows it."""

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
from mcp_guard.management.cli.text import GAP, iso, pairs, table
from mcp_guard.models import AllowedOrigin, Client, EndpointState, Scope, Token
from mcp_guard.processes import Process, processes, to_show
from mcp_guard.token_state import TokenState, expires_soon, token_state

_COLUMNS = ("name", "profile", "origins", "report_only_until")
_PROCESS_COLUMNS = ("process", "revision", "age", "refreshed_by", "last_seen", "connections")


def declare(nouns: SubParsers) -> None:
    """Add the command; it has no verbs."""
    text = "show the revision, what there is, rows that cannot be used, and the processes"
    declare_verb(nouns, "status", _status, text)


def _status(call: Call) -> Answer:
    snapshot = load()
    endpoints = [
        row | {"origins": len(snapshot.endpoints[row["name"]].allowlist)}
        for row in endpoint_objects(call.now)
    ]
    problems = [*snapshot.problems, *_undeclared({str(row["name"]) for row in endpoints})]
    head = {"version": __version__, "revision": snapshot.revision, "epoch": snapshot.epoch or None}
    counts = _counts(call)
    found = processes(call.now)
    data = head | {"counts": counts, "endpoints": endpoints, "problems": problems}
    lines = [*pairs(head | counts), "", *table(endpoints, _COLUMNS, empty="no endpoints"), ""]
    lines += [*_process_lines(found), ""]
    lines += ["what cannot be used; it lets nobody in:"] if problems else ["no row is unusable"]
    lines += [GAP + problem for problem in problems]
    return Answer(data | {"processes": [_process_object(one) for one in found]}, lines)


def _process_object(one: Process) -> dict[str, Any]:
    row = one.row
    return {
        "host": row.host,
        "pid": row.pid,
        "started_at": iso(row.started_at),
        "seen_at": iso(row.seen_at),
        "silent": one.is_silent,
        "revision": row.revision,
        "behind": one.behind,
        "age": one.age,
        "source": row.source,
        "connections": row.connections,
    }


def _process_lines(found: list[Process]) -> list[str]:
    shown, left_out = to_show(found)
    lines = table([_process_cells(one) for one in shown], _PROCESS_COLUMNS, empty="no process has spoken yet")
    return [*lines, f"{left_out} more that have been silent for longer"] if left_out else lines


def _process_cells(one: Process) -> dict[str, Any]:
    behind = f" ({one.behind} behind)" if one.behind > 0 else f" ({-one.behind} ahead)"
    return {
        "process": str(one.row),
        "revision": f"{one.row.revision}{behind if one.behind else ''}",
        "age": None if one.age is None else f"{one.age:.1f} s",
        "refreshed_by": one.row.source,
        "last_seen": f"{one.seen} s ago{' (silent)' if one.is_silent else ''}",
        "connections": one.connections or None,
    }


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
