"""Events of the audit trail that no change of policy writes: queued in memory, written in batches.

Whoever sees something calls ``put`` and goes on. The thread ``recording`` writes what has gathered; when
the database does not take it, the events wait, up to a bound, and what the bound left out is counted
exactly and recorded as an event of its own.
"""

from __future__ import annotations

import os
import threading
from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.contrib.auth import get_user_model
from django.db import DataError, IntegrityError, router, transaction
from django.utils import timezone

from mcp_guard.audit import lines
from mcp_guard.audit.bounded import bounded, text
from mcp_guard.live.refresher import progress
from mcp_guard.models import AuditEvent, Token

ROOM: Final = 10_000
"""How many events of a process wait to be written at most."""

BATCH: Final = 100
"""How many events are written in one transaction; what their rows take is a process's to keep."""

LOST: Final = "audit:lost"
"""What an event is tagged with that counts those which could not be kept."""

Category = AuditEvent.Category


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, as it is seen on the path of a request: values alone, nothing is looked up.

    ``user_id`` and ``token_id`` are given their labels when the event is written. Texts may be hostile and
    of any length; they are cut and escaped then, too. Empty says that there is none.
    """

    category: AuditEvent.Category
    tag: str
    subject: str = ""
    outcome: str = ""
    endpoint: str = ""
    exchange: str = ""
    client: str = ""
    user_id: int | None = None
    token_id: int | None = None
    actor_label: str = ""
    address: str = ""
    user_agent: str = ""
    correlation_id: str = ""
    count: int = 1
    details: dict[str, Any] = field(default_factory=dict)
    at: datetime = field(default_factory=timezone.now)


Late = tuple[AuditEvent.Category, Callable[[], Event]]
"""An event that is made when it is written."""


class Recorder:
    """The events of one process on their way into the database. ``written`` counts those that arrived."""

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self.forget()

    def forget(self) -> None:
        """Drop everything, as a new process has nothing."""
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._waiting: deque[Event | Late] = deque()
        self._lost: Counter[str] = Counter()
        self.written = 0
        self._taken: list[Event] = []
        self._are_emitted = False

    def __len__(self) -> int:
        return len(self._waiting) + len(self._taken)

    def put(self, event: Event) -> None:
        """Keep an event until it is written; without room it is counted instead."""
        with self._lock:
            if len(self._waiting) < self._room:
                self._waiting.append(event)
            else:
                self._lost[event.category.value] += event.count

    def put_late(self, category: AuditEvent.Category, make: Callable[[], Event]) -> None:
        """Keep a single event that nothing changes any more; it is made when it is written.

        There is no lock around one operation on a deque: each thread may go beyond the room by one.
        """
        if len(self._waiting) < self._room:
            self._waiting.append((category, make))
        else:
            with self._lock:
                self._lost[category.value] += 1

    def flush(self) -> None:
        """Write everything that waits now, in batches; what raises leaves its batch and the rest waiting."""
        with self._writing:
            waiting = len(self) + 1  # what comes meanwhile waits for the next one, so that this one ends
            while waiting > 0 and (self._taken or self._take()):
                waiting -= len(self._taken)
                self._write(router.db_for_write(AuditEvent))
                progress()

    def _take(self) -> bool:
        """Take the events that have waited longest; return whether there are any."""
        with self._lock:
            waiting = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            lost, self._lost = self._lost, Counter()
        taken = [one if isinstance(one, Event) else one[1]() for one in waiting]
        if lost:
            taken.append(_loss(lost))
        self._taken, self._are_emitted = taken, False
        return bool(taken)

    def _write(self, alias: str) -> None:
        rows: list[AuditEvent] = []
        try:
            labels = _Labels.of(alias, self._taken)
            rows = [_row(event, labels) for event in self._taken]
            with transaction.atomic(using=alias):
                AuditEvent.objects.using(alias).bulk_create(rows)
            self.written += len(rows)
        except (DataError, IntegrityError):
            self._write_each(alias, rows)
        finally:
            if not self._are_emitted:
                self._are_emitted = True
                for row in rows or [_row(event, _NO_LABELS) for event in self._taken]:
                    emitted(row)
        self._taken = []

    def _write_each(self, alias: str, rows: Sequence[AuditEvent]) -> None:
        """Write one by one what the database refused as a whole; a row that it does not take is counted.

        Each leaves those that were taken once it is dealt with, so that a failure midway writes none twice.
        """
        for row in rows:
            row.pk = None
            try:
                with transaction.atomic(using=alias):
                    row.save(using=alias, force_insert=True)
                self.written += 1
            except (DataError, IntegrityError):
                row.pk = None
                with self._lock:
                    self._lost[row.category] += row.count
            self._taken.pop(0)


def recorded(row: AuditEvent) -> None:
    """Say that an event was written and committed by whoever had a transaction for it."""
    recorder.written += 1
    emitted(row)


def emitted(row: AuditEvent) -> None:
    """Pass on one event, once: after the commit of a change of policy, else after the first try to write it.

    A row that could not be written yet has no ``pk``.
    """
    lines.write(row)


def _loss(lost: Counter[str]) -> Event:
    return Event(Category.AUDIT, LOST, count=lost.total(), details=dict(lost))


class _Labels(NamedTuple):
    """The names of users and tokens by their ids; who is gone meanwhile has none."""

    users: dict[int, str]
    tokens: dict[int, str]

    @classmethod
    def of(cls, alias: str, events: Sequence[Event]) -> _Labels:
        """Read the names that these events need, without a query where none does."""
        users = {event.user_id for event in events} - {None}
        tokens = {event.token_id for event in events} - {None}
        return cls(_users(alias, users) if users else {}, _tokens(alias, tokens) if tokens else {})


_NO_LABELS: Final = _Labels({}, {})


def _users(alias: str, ids: Collection[int | None]) -> dict[int, str]:
    model: Any = get_user_model()
    return {user.pk: user.get_username() for user in model._default_manager.using(alias).filter(pk__in=ids)}


def _tokens(alias: str, ids: Collection[int | None]) -> dict[int, str]:
    return {token.pk: str(token) for token in Token.objects.using(alias).filter(pk__in=ids)}


def _row(event: Event, labels: _Labels) -> AuditEvent:
    """Return the row of an event, every text of it cut to its column and harmless to whoever shows it."""
    row = AuditEvent(at=event.at, category=event.category, count=event.count, details=bounded(event.details))
    for name, length in _LENGTHS.items():
        setattr(row, name, text(getattr(event, name, ""), length))
    if event.user_id is not None:
        row.actor_id = event.user_id if event.user_id in labels.users else None
        row.actor_label = text(labels.users.get(event.user_id, f"user #{event.user_id}"), 150)
    if event.token_id is not None:
        row.token = text(labels.tokens.get(event.token_id, f"(#{event.token_id})"), 100)
    return row


_LENGTHS: Final = {
    "tag": 40, "subject": 320, "outcome": 40, "endpoint": 63, "exchange": 12, "client": 80, "token": 100,
    "actor_label": 150, "address": 45, "user_agent": 200, "correlation_id": 16,
}  # fmt: skip
"""Length of each column that an event fills."""


recorder: Final = Recorder()
"""The events of this process."""


def put(event: Event) -> None:
    """Keep an event of this process until it is written; never waits and never raises."""
    recorder.put(event)


def flush() -> None:
    """Write the events of this process that wait."""
    recorder.flush()


os.register_at_fork(after_in_child=recorder.forget)  # a child writes what it saw itself
