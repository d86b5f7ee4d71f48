"""``token list``, ``show`` and ``expiring``: which tokens there are, and who uses them."""

from __future__ import annotations

from typing import Any, Final

from mcp_guard import expiry
from mcp_guard.management.cli.arguments import SubParsers, days, declare_verb
from mcp_guard.management.cli.call import Answer, Call
from mcp_guard.management.cli.rows import client_named, names_in, token_numbered
from mcp_guard.management.cli.text import iso, pairs, table
from mcp_guard.management.cli.token_objects import (
    COLUMNS,
    in_cells,
    secret_line,
    service_object,
    token_object,
    tokens,
)
from mcp_guard.token_state import TokenState, soon
from mcp_guard.token_uses import Service, grants_of, idle, idle_grants, never_used, services

EXPIRING: Final = 3
"""Exit status of ``token expiring`` when some expire."""


def declare(verbs: SubParsers) -> None:
    """Add the verbs."""
    find = declare_verb(verbs, "list", _list, "list tokens; never their texts")
    find.add_argument("--client", metavar="NAME", help="only those of this client")
    find.add_argument("--endpoint", metavar="ENDPOINT", help="only those that this endpoint accepts")
    find.add_argument("--live", action="store_true", help="only those that work now")
    use = find.add_mutually_exclusive_group()
    use.add_argument("--never-used", action="store_true", help="only those that nobody has used")
    use.add_argument("--idle", action="store_true", help="only those that nobody used in 30 days")
    use.add_argument(
        "--over-scoped", action="store_true", help="only those with grants that nobody used in 30 days"
    )
    show = declare_verb(verbs, "show", _show, "show a token: who uses it, and which of its grants")
    show.add_argument("id", help="its number")
    about = "list tokens that expire soon, soonest first; exit status 3 when there are any, 1 after a failure"
    expiring = declare_verb(verbs, "expiring", _expiring, about)
    expiring.add_argument("--days", metavar="N", help="within so many days; default TOKEN_WARN_DAYS, 30")


def _list(call: Call) -> Answer:
    found = _by_use(tokens(), call)
    if call.options.client is not None:
        found = found.filter(client=client_named(call.options.client))
    wanted = call.options.endpoint
    over = idle_grants(found, call.now) if call.options.over_scoped else None
    rows = [
        token_object(token, call.now) | ({} if over is None else {"idle_grants": over[token.pk]})
        for token in found
        if (wanted is None or wanted in names_in(token.endpoints)) and (over is None or token.pk in over)
    ]
    if call.options.live:
        rows = [row for row in rows if row["state"] == TokenState.LIVE.value]
    return Answer(rows, table([in_cells(row) for row in rows], COLUMNS, empty="no tokens"))


def _by_use(found: Any, call: Call) -> Any:
    options = call.options
    if options.never_used:
        return found.filter(never_used())
    if options.idle:
        return found.filter(idle(call.now))
    return found


def _show(call: Call) -> Answer:
    token = tokens().get(pk=token_numbered(call.options.id).pk)
    data = token_object(token, call.now)
    grants = [
        {"grant": seen.grant, "last_used_at": iso(seen.last_at), "idle": seen.is_idle}
        for seen in grants_of(token, call.now)
    ]
    used_by = [service_object(service) for service in services(token)]
    shown = in_cells(data) | {"secrets": [secret_line(secret) for secret in data["secrets"]]}
    lines = [f"token {data['id']}", *pairs(shown), ""]
    lines += [*table(used_by, Service._fields, empty="nobody has used it"), ""]
    lines += table(grants, ("grant", "last_used_at", "idle"), empty="its scopes grant nothing")
    return Answer(data | {"services": used_by, "grants": grants}, lines)


def _expiring(call: Call) -> Answer:
    within = soon() if call.options.days is None else days(call.options.days, "days")
    found = list(expiry.expiring(call.now, within))
    rows = [
        token_object(token, call.now) | {"services": [service_object(service) for service in services(token)]}
        for token in found
    ]
    failures = expiry.announce(found, call.now)
    lines = table(
        [in_cells(row) for row in rows], COLUMNS, empty=f"no token expires within {within.days} days"
    )
    if any(row["services"] for row in rows):
        used_by = [{"id": row["id"], **service} for row in rows for service in row["services"]]
        lines = [*lines, "", "used by:", *table(used_by, ("id", *Service._fields), empty="")]
    return Answer(rows, lines, failures, 1 if failures else EXPIRING if rows else 0)
