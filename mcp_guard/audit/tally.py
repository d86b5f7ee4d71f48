"""Write down how many decisions this process made, by the minute: what the pictures are drawn from.

The counters of the process are looked at in every interval and their differences kept in memory until they
are written; a write that fails loses none of them. Minutes become hours and hours days as they grow old, so
that rows are bounded by endpoints, exchanges and outcomes however much is asked.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from itertools import pairwise
from typing import Final, NamedTuple

from django.db import IntegrityError, connections, models, router, transaction
from django.utils import timezone

from mcp_guard.audit import counts
from mcp_guard.models import Revision, Tally

WRITE_SECONDS: Final = 10.0
"""How long differences are kept in memory: what a process that is killed may lose."""

FOLD_SECONDS: Final = 600.0
"""How often a process that writes looks for tallies that have grown old."""

MINUTES_KEPT: Final = timedelta(hours=2)
HOURS_KEPT: Final = timedelta(days=3)
DAYS_KEPT: Final = timedelta(days=400)

MOST_MINUTES: Final = 120
"""For how many minutes differences are told apart while nothing can be written."""

BATCH: Final = 2000
"""How many tallies are folded in one transaction."""

MOST_BATCHES: Final = 50

ATTEMPTS: Final = 5
"""How often to add to a row that other processes make and fold meanwhile."""


class Key(NamedTuple):
    """What a tally counts, and from when on."""

    start: datetime
    endpoint: str
    exchange: str
    outcome: str


class Tallies:
    """The differences of one process that are not written yet."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[counts.Key, int] = {}
        self._pending: Counter[Key] = Counter()
        self._write_at = 0.0
        self._fold_at = time.monotonic() + random.uniform(0, FOLD_SECONDS)  # noqa: S311 (not all at once)

    @property
    def pending(self) -> int:
        """How many decisions are not written yet."""
        return sum(self._pending.values())

    def record(self) -> None:
        """Look at the counters, and write what came if it is time to."""
        with self._lock:
            now = time.monotonic()
            self.look(timezone.now())
            if not self._pending or now < self._write_at:
                return
            self._write_at = now + WRITE_SECONDS
            self.write()
            if now >= self._fold_at:
                self._fold_at = now + FOLD_SECONDS
                fold(timezone.now())

    def record_all(self) -> None:
        """Write what came, whether or not it is time to."""
        with self._lock:
            self.look(timezone.now())
            self.write()

    def look(self, now: datetime) -> None:
        """Keep what the counters have gained since the last look, under the minute that it is now."""
        counted = counts.decisions.all()
        minute = now.replace(second=0, microsecond=0)
        for counter, total in counted.items():
            gained = total - self._seen.get(counter, 0)
            if gained:
                endpoint, exchange, outcome = counter
                self._pending[Key(minute, endpoint[:63], exchange, outcome_of(outcome))] += gained
        self._seen = counted
        self._join_oldest()

    def write(self) -> None:
        """Add what is kept to the rows of all processes, or keep it if that fails.

        Raises:
            django.db.Error: when nothing could be written.
        """
        if self._pending:
            alias = router.db_for_write(Revision)
            with transaction.atomic(using=alias):
                _add(alias, Tally.Period.MINUTE, self._pending)
            self._pending = Counter()

    def _join_oldest(self) -> None:
        """Count the oldest minute to the one after it while there are too many of them."""
        starts = sorted({key.start for key in self._pending})
        for oldest, following in list(pairwise(starts))[: max(0, len(starts) - MOST_MINUTES)]:
            for key in [key for key in self._pending if key.start == oldest]:
                self._pending[key._replace(start=following)] += self._pending.pop(key)


def outcome_of(counted: str) -> str:
    """Return the outcome under which a counter is tallied."""
    if counted.startswith(counts.WOULD_REFUSE):
        return Tally.Outcome.WOULD_REFUSE
    return counted if counted in (counts.ADMITTED, counts.PREFLIGHT) else Tally.Outcome.REFUSED


def fold(now: datetime) -> int:
    """Make old minutes hours, old hours days, and forget the oldest days; return how many rows went.

    Rows that another process folds at the same time are left to it.

    Raises:
        django.db.Error: when it could not be finished; what was folded by then stays so.
    """
    alias = router.db_for_write(Revision)
    minutes_end, hours_end = hour_of(now - MINUTES_KEPT), day_of(now - HOURS_KEPT)
    gone = _fold_all(alias, Tally.Period.MINUTE, minutes_end, Tally.Period.HOUR, hour_of)
    gone += _fold_all(alias, Tally.Period.HOUR, hours_end, Tally.Period.DAY, day_of)
    days = Tally.objects.using(alias).filter(period=Tally.Period.DAY, start__lt=now - DAYS_KEPT)
    return gone + days.delete()[0]


def hour_of(moment: datetime) -> datetime:
    """Return when the hour of a moment began, in UTC."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def day_of(moment: datetime) -> datetime:
    """Return when the day of a moment began by the clocks of TIME_ZONE, in UTC."""
    zone = timezone.get_default_timezone()
    midnight = datetime.combine(moment.astimezone(zone).date(), time_of_day(), zone)
    return midnight.astimezone(UTC)


def _fold_all(
    alias: str, period: str, end: datetime, into: str, start_of: Callable[[datetime], datetime]
) -> int:
    gone = 0
    for _ in range(MOST_BATCHES):
        folded = _fold(alias, period, end, into, start_of)
        gone += folded
        if folded < BATCH:
            break
    return gone


def _fold(alias: str, period: str, end: datetime, into: str, start_of: Callable[[datetime], datetime]) -> int:
    skip_locked = connections[alias].features.has_select_for_update_skip_locked
    with transaction.atomic(using=alias):
        old = Tally.objects.using(alias).filter(period=period, start__lt=end).order_by("start", "pk")
        found = list(old.select_for_update(skip_locked=skip_locked)[:BATCH])
        if found:
            Tally.objects.using(alias).filter(pk__in=[row.pk for row in found]).delete()
            _add(alias, into, _sums(found, start_of))
    return len(found)


def _sums(found: Iterable[Tally], start_of: Callable[[datetime], datetime]) -> Counter[Key]:
    sums: Counter[Key] = Counter()
    for row in found:
        sums[Key(start_of(row.start), row.endpoint, row.exchange, row.outcome)] += row.count
    return sums


def _add(alias: str, period: str, sums: Counter[Key]) -> None:
    """Add to the rows and make those that are missing, in one order, so that no two processes deadlock."""
    rows = Tally.objects.using(alias)
    for key in sorted(sums):
        row, more = rows.filter(period=period, **key._asdict()), models.F("count") + sums[key]
        for attempt in reversed(range(ATTEMPTS)):
            if row.update(count=more) or _made(alias, period, key, sums[key], last=not attempt):
                break


def _made(alias: str, period: str, key: Key, count: int, *, last: bool) -> bool:
    """Return whether a row could be made: another process may have made it, and may have folded it since."""
    try:
        with transaction.atomic(using=alias):
            Tally.objects.using(alias).create(period=period, count=count, **key._asdict())
    except IntegrityError:
        if last:
            raise
        return False
    return True


tallies: Final = Tallies()
"""The tallies of this process."""

os.register_at_fork(after_in_child=tallies._reset)  # noqa: SLF001 (a child is a process of its own)
