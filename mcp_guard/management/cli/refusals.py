"""``refusals``: who is refused and why; approve an origin for a client, set it aside, open it again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from mcp_guard import changes
from mcp_guard.audit.inbox import HOUR
from mcp_guard.doubts import lookalikes, said
from mcp_guard.management.cli.arguments import (
    SubParsers,
    add_names,
    declare_noun,
    declare_verb,
    distinct,
    moment,
)
from mcp_guard.management.cli.call import Answer, BadInput, Call
from mcp_guard.management.cli.origins import NEVER, origin_object
from mcp_guard.management.cli.rows import client_named, refusal_numbered
from mcp_guard.management.cli.text import iso, pairs, table
from mcp_guard.models import Refusal
from mcp_guard.policy.lookalike import Lookalikes

WEEK: Final = timedelta(days=7)
"""How long an approved origin is listed when nothing else is said."""

MOST: Final = 100
"""How many groups are listed when nothing else is said."""

_COLUMNS = ("id", "origin", "endpoint", "exchange", "reason", "count", "last_seen", "state", "warnings")


def declare(nouns: SubParsers) -> None:
    """Add the noun and its verbs."""
    verbs = declare_noun(nouns, "refusals", "who is refused and why, in groups of what is alike")
    find = declare_verb(verbs, "list", _list, "list refusals, the latest first")
    find.add_argument(
        "--state", choices=[*Refusal.State.values, "all"], default="open", help="only those; default open"
    )
    find.add_argument("--endpoint", metavar="ENDPOINT", help="only those of this endpoint")
    find.add_argument("--origin", metavar="ORIGIN", help="only those of this origin")
    find.add_argument("--limit", type=int, default=MOST, metavar="N", help=f"at most so many; default {MOST}")
    show = declare_verb(verbs, "show", _show, "show one group with its latest refusals and its hours")
    show.add_argument("id", help="its number")
    approve = declare_verb(verbs, "approve", _approve, "list the origin of refusals for a client")
    approve.add_argument("id", help="its number")
    approve.add_argument("--client", required=True, metavar="NAME", help="on whose behalf its pages call")
    add_names(approve, "--endpoint", "endpoints that its pages may call; default the one that refused")
    approve.add_argument("--cookies", action="store_true", help="its pages may act with a session cookie")
    approve.add_argument(
        "--expires", metavar="T", help="when it is listed no longer: 7d (default), an ISO time, never"
    )
    never = declare_verb(verbs, "never", _never, "keep an origin refused and out of the way")
    never.add_argument("id", help="its number")
    reopen = declare_verb(verbs, "reopen", _reopen, "take back what was said of an origin")
    reopen.add_argument("id", help="its number")


def refusal_object(row: Refusal, known: Lookalikes) -> dict[str, Any]:
    """Return a group of refusals as ``--json`` prints it."""
    return {
        "id": row.pk,
        "origin": row.origin,
        "host": row.host,
        "client": row.client,
        "endpoint": row.endpoint,
        "exchange": row.exchange,
        "reason": row.reason,
        "outcome": row.outcome,
        "is_rest": row.is_rest,
        "state": row.state,
        "decided_by": row.decided_by,
        "decided_at": iso(row.decided_at),
        "count": row.count,
        "first_seen": iso(row.first_seen),
        "last_seen": iso(row.last_seen),
        "address": row.address,
        "user_agent": row.user_agent,
        "warnings": [said(warned) for warned in known.warnings(row.origin)],
    }


def _list(call: Call) -> Answer:
    options, found = call.options, Refusal.objects.all()
    if options.limit < 1:
        raise BadInput.in_field("limit", "at least 1")
    if options.state != "all":
        found = found.filter(state=options.state)
    for name in ("endpoint", "origin"):
        if getattr(options, name) is not None:
            found = found.filter(**{name: getattr(options, name)})
    known = lookalikes()
    rows = [refusal_object(row, known) for row in found[: options.limit]]
    left_out = found.count() - len(rows) if len(rows) == options.limit else 0
    warnings = [f"{left_out} more are not shown; see --limit"] if left_out else []
    return Answer(rows, table(rows, _COLUMNS, empty="no refusals"), warnings)


def _show(call: Call) -> Answer:
    row = refusal_numbered(call.options.id)
    data = refusal_object(row, lookalikes())
    hours = [
        {"at": _hour(int(hour)), "count": count}
        for hour, count in sorted(row.hours.items(), key=lambda item: int(item[0]))
    ]
    latest = [f"  {one.get('at')}  {one.get('id') or '-'}  {one.get('address') or '-'}" for one in row.recent]
    lines = [*pairs(data), "latest:", *latest, "requests by hour:", *_lines(hours)]
    return Answer({**data, "recent": row.recent, "hours": hours}, lines)


def _approve(call: Call) -> Answer:
    options, row = call.options, refusal_numbered(call.options.id)
    until = None if options.expires == NEVER else call.now + WEEK
    if options.expires not in (None, NEVER):
        until = moment(options.expires, call.now, "expires_at")
    names = distinct(options.endpoint) or [row.endpoint]
    asked = changes.Approval(client_named(options.client), names, options.cookies, until)
    warnings = [said(warned) for warned in lookalikes().warnings(row.origin)]
    data = origin_object(changes.approve_refusal(call.actor, row, asked))
    return Answer(data, [f"listed origin {data['origin']}", *pairs(data)], warnings)


def _never(call: Call) -> Answer:
    row = refusal_numbered(call.options.id)
    return _said(row, "set aside", changes.set_refusal_aside(call.actor, row))


def _reopen(call: Call) -> Answer:
    row = refusal_numbered(call.options.id)
    return _said(row, "open again", changes.reopen_refusal(call.actor, row))


def _said(row: Refusal, what: str, count: int) -> Answer:
    row.refresh_from_db()
    data = {"origin": row.origin, "endpoint": row.endpoint, "state": row.state, "groups": count}
    groups = "1 group" if count == 1 else f"{count} groups"
    return Answer(data, [f"{what}: {row.origin or row.reason} on {row.endpoint}, {groups}"])


def _hour(hour: int) -> str:
    return iso(datetime.fromtimestamp(hour * HOUR, UTC)) or ""


def _lines(hours: list[dict[str, Any]]) -> list[str]:
    return [f"  {each['at']}  {each['count']}" for each in hours]
