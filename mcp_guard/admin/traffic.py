"""What the tallies say: decisions of the last hours and days, of all endpoints and of each of their doors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from django.db.models import Sum
from django.db.models.functions import TruncDate, TruncHour
from django.utils import timezone

from mcp_guard.audit.tally import day_of, hour_of
from mcp_guard.models import Tally

HOURS: Final = 24
DAYS: Final = 30

MOST_DOORS: Final = 40
"""How many doors are shown, those with the most decisions first."""

_FINE: Final = (Tally.Period.MINUTE, Tally.Period.HOUR)


@dataclass(slots=True)
class Series:
    """Decisions by hour or by day, the latest last.

    ``let_in`` holds granted preflights, too, and what report-only let in, which is ``would_refuse``.
    """

    let_in: list[int]
    would_refuse: list[int]
    refused: list[int]

    @classmethod
    def empty(cls, length: int) -> Series:
        """Return a series of nothing."""
        return cls([0] * length, [0] * length, [0] * length)

    def add(self, position: int, outcome: str, count: int) -> None:
        """Count decisions of one outcome."""
        match outcome:
            case Tally.Outcome.REFUSED:
                self.refused[position] += count
            case Tally.Outcome.WOULD_REFUSE:
                self.would_refuse[position] += count
            case _:
                self.let_in[position] += count

    @property
    def total(self) -> int:
        """How many decisions there were."""
        return sum(self.let_in) + sum(self.refused)


@dataclass(slots=True)
class Door:
    """One exchange of one endpoint."""

    endpoint: str
    exchange: str
    hours: Series = field(default_factory=lambda: Series.empty(HOURS))
    days: Series = field(default_factory=lambda: Series.empty(DAYS))


@dataclass(frozen=True, slots=True)
class Traffic:
    """All of it. ``hour_starts`` are in UTC, ``dates`` those of TIME_ZONE; ``more`` doors are not shown."""

    hour_starts: list[datetime]
    dates: list[date]
    hours: Series
    days: Series
    doors: list[Door]
    more: int


def traffic(now: datetime) -> Traffic:
    """Return the decisions of the last HOURS and DAYS, those of the running hour and day included."""
    hour_starts = [hour_of(now) - timedelta(hours=HOURS - 1 - n) for n in range(HOURS)]
    today = now.astimezone(timezone.get_default_timezone()).date()
    dates = [today - timedelta(days=DAYS - 1 - n) for n in range(DAYS)]
    doors: dict[tuple[str, str], Door] = {}
    hours, days = Series.empty(HOURS), Series.empty(DAYS)
    for position, door, outcome, count in _placed(_by_hour(hour_starts[0]), hour_starts, doors):
        door.hours.add(position, outcome, count)
        hours.add(position, outcome, count)
    for position, door, outcome, count in _placed(_by_day(dates[0]), dates, doors):
        door.days.add(position, outcome, count)
        days.add(position, outcome, count)
    found = sorted(doors.values(), key=lambda door: (-door.days.total, door.endpoint, door.exchange))
    return Traffic(hour_starts, dates, hours, days, found[:MOST_DOORS], max(0, len(found) - MOST_DOORS))


def _by_hour(first: datetime) -> Iterable[tuple[Any, ...]]:
    rows = Tally.objects.filter(period__in=_FINE, start__gte=first)
    return _summed(rows.annotate(bucket=TruncHour("start", tzinfo=UTC)))


def _by_day(first: date) -> Iterable[tuple[Any, ...]]:
    """Each row counts for the day of TIME_ZONE in which it began."""
    zone = timezone.get_default_timezone()
    start = day_of(datetime(first.year, first.month, first.day, 12, tzinfo=zone))
    rows = Tally.objects.filter(period__in=Tally.Period.values, start__gte=start)
    return _summed(rows.annotate(bucket=TruncDate("start", tzinfo=zone)))


def _summed(rows: Any) -> Iterable[tuple[Any, ...]]:
    grouped = rows.order_by().values_list("bucket", "endpoint", "exchange", "outcome")
    found: Iterable[tuple[Any, ...]] = grouped.annotate(total=Sum("count"))
    return found


def _placed(
    rows: Iterable[tuple[Any, ...]], buckets: Sequence[Any], doors: dict[tuple[str, str], Door]
) -> Iterable[tuple[int, Door, str, int]]:
    """Yield each sum with its place; what a clock ahead of ours has written counts as of now."""
    places = {bucket: number for number, bucket in enumerate(buckets)}
    for bucket, endpoint, exchange, outcome, count in rows:
        place = places.get(min(bucket, buckets[-1]))
        if place is not None:
            door = doors.setdefault((endpoint, exchange), Door(endpoint, exchange))
            yield place, door, outcome, count
