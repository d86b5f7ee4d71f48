"""How often refusals of a group came in each hour of a week, as bars that a template draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from mcp_guard.audit.inbox import HOUR, HOURS

WIDTH: Final = 4
"""How wide an hour is drawn, in units of the picture."""

HEIGHT: Final = 60
"""How high the hour with the most requests is drawn."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One hour with requests: when it began, how many, and where its bar stands."""

    at: datetime
    count: int
    x: int
    y: int
    height: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """A week: its first hour, its last one, and the hours between them in which something came."""

    start: datetime
    end: datetime
    bars: list[Bar]

    @property
    def most(self) -> int:
        """Requests in the hour with the most of them."""
        return max((bar.count for bar in self.bars), default=0)

    width = HOURS * WIDTH
    height = HEIGHT
    bar_width = WIDTH - 1


def timeline(hours: Mapping[str, int], now: datetime) -> Timeline:
    """Return the week that ends now, or with the last request when that is longer ago."""
    counts = {int(hour): count for hour, count in hours.items()}
    current = int(now.timestamp() // HOUR)
    last = max(counts, default=current)
    end = current if current - last < HOURS else last
    first = end - HOURS + 1
    shown = {hour: count for hour, count in sorted(counts.items()) if first <= hour <= end}
    most = max(shown.values(), default=1)
    return Timeline(_moment(first), _moment(end), [_bar(h, c, first, most) for h, c in shown.items()])


def _bar(hour: int, count: int, first: int, most: int) -> Bar:
    height = max(2, round(HEIGHT * count / most))
    return Bar(_moment(hour), count, (hour - first) * WIDTH, HEIGHT - height, height)


def _moment(hour: int) -> datetime:
    return datetime.fromtimestamp(hour * HOUR, UTC)
