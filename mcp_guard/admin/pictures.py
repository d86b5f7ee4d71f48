"""The pictures of the dashboard: decisions of the last hours and days as bars, each with its numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from mcp_guard.admin.bars import Bar, bars, line_of_bars
from mcp_guard.admin.traffic import Series, Traffic, traffic

LET_IN: Final = "mcp-guard-bar-in"
WOULD_REFUSE: Final = "mcp-guard-bar-would"
REFUSED: Final = "mcp-guard-bar-refused"
"""Classes of the parts of a bar."""


@dataclass(frozen=True, slots=True)
class Window:
    """Two pictures of one stretch of time, and the numbers they show.

    ``rows`` has one for each bar; ``most`` is what the highest bars say of what was let in and refused.
    """

    name: str
    title: str
    first: str
    last: str
    let_in: SafeString
    refused: SafeString
    sums: tuple[int, int, int]
    most: tuple[int, int]
    rows: list[tuple[str, int, int, int]]


@dataclass(frozen=True, slots=True)
class DoorRow:
    """One door with its sums and small pictures."""

    endpoint: str
    exchange: str
    hours: tuple[int, int, int]
    days: tuple[int, int, int]
    let_in: SafeString
    refused: SafeString


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures of all decisions, and a row for each door."""

    windows: list[Window]
    doors: list[DoorRow]
    more: int
    time_zone: str


def pictures(now: datetime) -> Pictures:
    """Return the pictures of the last hours and days."""
    found = traffic(now)
    doors = [
        DoorRow(
            door.endpoint, door.exchange, _sums(door.hours), _sums(door.days),
            line_of_bars(LET_IN, door.days.let_in), line_of_bars(REFUSED, door.days.refused),
        )
        for door in found.doors
    ]  # fmt: skip
    zone = timezone.get_default_timezone_name()
    return Pictures([_hours(found), _days(found)], doors, found.more, zone)


def _hours(found: Traffic) -> Window:
    starts = [
        date_format(start.astimezone(timezone.get_default_timezone()), "H:i") for start in found.hour_starts
    ]
    return _window("hours", _("The last 24 hours"), starts, found.hours)


def _days(found: Traffic) -> Window:
    dates = [date_format(day, "MONTH_DAY_FORMAT") for day in found.dates]
    return _window("days", _("The last 30 days"), dates, found.days)


def _window(name: str, title: str, labels: list[str], series: Series) -> Window:
    rows = list(zip(labels, series.let_in, series.would_refuse, series.refused, strict=True))
    return Window(
        name, title, labels[0], labels[-1], _let_in(name, title, rows), _refused(name, title, rows),
        _sums(series), (max(series.let_in), max(series.refused)), rows,
    )  # fmt: skip


def _let_in(name: str, title: str, rows: Iterable[tuple[str, int, int, int]]) -> SafeString:
    shown = [
        Bar(_words(label, _("let in"), let_in), (max(0, let_in - would), min(let_in, would)))
        for label, let_in, would, _refused_ in rows
    ]
    text = _("Decisions that let in; hatched what report-only let in. The table below has the numbers.")
    return bars(f"mcp-guard-{name}-in", f"{title}: {_('let in')}", text, (LET_IN, WOULD_REFUSE), shown)


def _refused(name: str, title: str, rows: Iterable[tuple[str, int, int, int]]) -> SafeString:
    shown = [Bar(_words(label, _("refused"), refused), (refused,)) for label, _in, _would, refused in rows]
    text = _("Refusals. The table below has the numbers.")
    return bars(f"mcp-guard-{name}-refused", f"{title}: {_('refused')}", text, (REFUSED,), shown)


def _words(label: str, what: str, count: int) -> str:
    return f"{label}: {number_format(count, force_grouping=True)} {what}"


def _sums(series: Series) -> tuple[int, int, int]:
    return sum(series.let_in), sum(series.would_refuse), sum(series.refused)
