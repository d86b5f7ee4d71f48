"""Export audit events as CSV or as lines of JSON, in the order they were written, whatever their number."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from django.db import router, transaction
from django.db.models import QuerySet

from mcp_guard.audit import bounded
from mcp_guard.audit.events import Category, recorded
from mcp_guard.audit.redact import redacted
from mcp_guard.models import AuditEvent

CHUNK: Final = 500
"""How many events are in memory at a time."""

COLUMNS: Final = (
    "seq", "id", "at", "category", "tag", "outcome", "subject", "actor_label", "client", "token", "endpoint",
    "exchange", "address", "user_agent", "correlation_id", "count", "revision", "before", "after", "details",
    "digest",
)  # fmt: skip
"""What of an event is exported."""

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection)."""

_PART: Final = re.compile('([;,|\t][\\s"\u00a0]*)(?=[=+\\-@\uff1d\uff0b\uff0d\uff20])')

EXPORTED: Final = "audit:export"
"""What the event is tagged with that says who took events away."""


def lines(events: QuerySet[AuditEvent], form: str) -> Iterator[str]:
    """Yield the events as text in pieces of CHUNK events; ``form`` is ``csv`` or ``json``."""
    if form == "csv":
        yield _csv([list(COLUMNS)])
    for chunk in _chunks(events):
        if form == "csv":
            yield _csv([[cell(value) for value in as_object(event).values()] for event in chunk])
        else:
            yield "".join(f"{json.dumps(as_object(event))}\n" for event in chunk)


def record(actor_label: str, form: str, chosen: str, *, actor_id: int | None = None) -> AuditEvent:
    """Record that events are taken away, by whom, and how they were chosen; return that event."""
    alias = router.db_for_write(AuditEvent)
    event: AuditEvent = AuditEvent.objects.using(alias).create(
        category=Category.AUDIT,
        tag=EXPORTED,
        actor_id=actor_id,
        actor_label=actor_label[:150],
        details={"format": form, "chosen": bounded.text(chosen, 1000)},
    )
    transaction.on_commit(partial(recorded, event), using=alias, robust=True)
    return event


def as_object(event: AuditEvent) -> dict[str, Any]:
    """Return what of an event is exported, with names and values as in JSON."""
    found = {name: getattr(event, name) for name in COLUMNS}
    at: datetime = found["at"]
    return {**found, "at": at.astimezone(UTC).isoformat()}


def cell(value: Any) -> str:
    """Return a value as a cell that no spreadsheet runs, holds no line break, and no token text.

    That holds for its parts, too, where a spreadsheet takes another character for the separator.
    """
    if value is None or value == {}:
        return ""
    text = redacted(value if isinstance(value, str) else json.dumps(value))
    parted = _PART.sub(r"\1'", text)
    return f"'{parted}" if text.lstrip(" \u00a0").startswith(FORMULA) and not _is_number(text) else parted


def _is_number(text: str) -> bool:
    return text.removeprefix("-").isascii() and text.removeprefix("-").isdigit()


def _chunks(events: QuerySet[AuditEvent]) -> Iterator[list[AuditEvent]]:
    """Yield the events by their ids, each chunk by a query of its own: no cursor stays open meanwhile."""
    last = 0
    while chunk := list(events.filter(pk__gt=last).order_by("pk")[:CHUNK]):
        yield chunk
        last = chunk[-1].pk


def _csv(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue()
