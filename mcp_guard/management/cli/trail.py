"""``audit list`` and ``export``: read audit events, chosen by what they are about."""

from __future__ import annotations

import argparse
import re
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import router
from django.db.models import Q, QuerySet

from mcp_guard.audit import export
from mcp_guard.management.cli.arguments import Parser, SubParsers, declare_verb, duration, moment
from mcp_guard.management.cli.call import Answer, BadInput, Call
from mcp_guard.management.cli.text import iso, table
from mcp_guard.models import AuditEvent

_COLUMNS = (
    "seq",
    "at",
    "category",
    "tag",
    "outcome",
    "subject",
    "who",
    "client",
    "endpoint",
    "address",
    "times",
)
_MATCHED: Final = {
    "category": "category",
    "tag": "tag",
    "outcome": "outcome",
    "endpoint": "endpoint",
    "client": "client",
    "token": "token",
    "actor": "actor_label",
    "address": "address",
    "correlation": "correlation_id",
}
"""The options that choose by equality, and the columns that they are about."""

_SEARCHED: Final = ("subject", "actor_label", "client", "token", "address", "correlation_id", "user_agent")


def declare(verbs: SubParsers) -> None:
    """Add the verbs to the noun ``audit``."""
    shown = declare_verb(verbs, "list", _list, "list events, the newest first")
    shown.add_argument("--limit", default="50", metavar="N", help="at most so many; default 50")
    _add_choice(shown)
    exported = declare_verb(
        verbs, "export", _export, "print events as CSV or lines of JSON, the oldest first"
    )
    exported.add_argument("--format", choices=["csv", "json"], default="csv", help="csv (default) or json")
    _add_choice(exported)


def _add_choice(parser: Parser) -> None:
    parser.add_argument("--category", choices=AuditEvent.Category.values, help="only those of this category")
    parser.add_argument(
        "--tag", metavar="TAG", help="only this tag, or with a * at its end all that begin so"
    )
    parser.add_argument("--outcome", metavar="TEXT", help="only this outcome, such as a reason")
    parser.add_argument("--endpoint", metavar="ENDPOINT", help="only this endpoint")
    parser.add_argument("--client", metavar="NAME", help="only this client")
    parser.add_argument("--token", metavar="LABEL", help="only this token: its name and number, “ci (#4)”")
    parser.add_argument("--actor", metavar="NAME", help="only what this user or command did")
    parser.add_argument("--address", metavar="ADDRESS", help="only from this client address")
    parser.add_argument("--correlation", metavar="ID", help="only with this correlation id")
    parser.add_argument("--since", metavar="T", help="only from then on: 24h (ago), an ISO time")
    parser.add_argument("--until", metavar="T", help="only before then")
    parser.add_argument("--search", metavar="TEXT", help="only those with this text in one of their columns")


def _chosen(call: Call) -> QuerySet[AuditEvent]:
    options = call.options
    events: QuerySet[AuditEvent] = AuditEvent.objects.using(router.db_for_write(AuditEvent)).all()
    for option, column in _MATCHED.items():
        value = getattr(options, option)
        if value is not None and option == "tag" and value.endswith("*"):
            events = events.filter(tag__startswith=value[:-1])
        elif value is not None:
            events = events.filter(**{column: value})
    return _between(events, options, call.now)


def _between(
    events: QuerySet[AuditEvent], options: argparse.Namespace, now: datetime
) -> QuerySet[AuditEvent]:
    if options.since is not None:
        events = events.filter(at__gte=_past(options.since, now, "since"))
    if options.until is not None:
        events = events.filter(at__lt=_past(options.until, now, "until"))
    if options.search is not None:
        found = Q()
        for column in _SEARCHED:
            found |= Q(**{f"{column}__icontains": options.search})
        events = events.filter(found)
    return events


def _past(text: str, now: datetime, field: str) -> datetime:
    """Return the moment that an ISO time names, or the one that is a duration ago."""
    if re.fullmatch(r"[0-9]+[mhdw]", text):
        return now - min(duration(text, field), timedelta(days=100_000))
    return moment(text, now, field)


def _list(call: Call) -> Answer:
    if not re.fullmatch(r"[0-9]{1,5}", call.options.limit):
        raise BadInput.in_field("limit", f"{call.options.limit[:40]!r} is not a number from 0 to 99999")
    events = _chosen(call).order_by("-at", "-pk")[: int(call.options.limit)]
    data = [export.as_object(event) for event in events]
    return Answer(data, table([_row(event) for event in events], _COLUMNS, empty="no events"))


def _row(event: AuditEvent) -> dict[str, Any]:
    return {
        "seq": event.seq or "unsealed",
        "at": iso(event.at),
        "category": event.category,
        "tag": event.tag,
        "outcome": event.outcome,
        "subject": event.subject,
        "who": event.actor_label,
        "client": event.client,
        "endpoint": event.endpoint,
        "address": event.address,
        "times": event.count,
    }


def _export(call: Call) -> Answer:
    form = "json" if call.options.json else call.options.format
    events = _chosen(call)
    options = {name: getattr(call.options, name) for name in (*_MATCHED, "since", "until", "search")}
    chosen = " ".join(f"{name}={value}" for name, value in options.items() if value is not None)
    this = export.record(call.actor.label, form, chosen)
    return Answer([], (), texts=export.lines(events.filter(pk__lt=this.pk), form))
