"""How far each destination is behind: events that are sealed and not shipped, and the age of the oldest."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from django.db import router
from django.utils import timezone

from mcp_guard import conf
from mcp_guard.audit import outbox
from mcp_guard.conf.destinations import Destination
from mcp_guard.models import AuditEvent, AuditSeal, Shipment

LOOK_SECONDS: Final = 15.0
"""How often a process looks how far behind destinations are, for its metrics."""

LATE_AFTER: Final = timedelta(minutes=15)
"""From which age of the oldest event on a destination counts as late."""


@dataclass(frozen=True, slots=True)
class Lag:
    """One destination. ``oldest`` is when the first event happened that was not shipped, None without one."""

    destination: Destination
    row: Shipment
    events: int
    oldest: datetime | None
    now: datetime

    @property
    def seconds(self) -> float:
        """The age of the oldest event that was not shipped; 0 without one."""
        return max(0.0, (self.now - self.oldest).total_seconds()) if self.oldest else 0.0

    def at(self, now: datetime) -> Lag:
        """Return the same as it is at another moment if nothing was shipped meanwhile."""
        return replace(self, now=now)

    @property
    def is_late(self) -> bool:
        """Whether somebody should look."""
        return self.seconds > LATE_AFTER.total_seconds()


class Watch:
    """What this process saw last of the lags; its metrics tell that, so that a scrape reads no database."""

    def __init__(self) -> None:
        self.seen: list[Lag] = []
        self._due = 0.0

    def look(self) -> None:
        """Look if it is time; an errand, without a query where no destination is declared."""
        now = time.monotonic()
        if now >= self._due:
            self._due = now + LOOK_SECONDS
            self.seen = lags(timezone.now())


watch: Final = Watch()
"""What this process saw."""


def lags(now: datetime) -> list[Lag]:
    """Return how far each declared destination is behind, by name; empty when none is declared."""
    declared = conf.parse().ship
    if not declared:
        return []
    alias = router.db_for_write(AuditEvent)
    rows = Shipment.objects.using(alias).in_bulk(list(declared))
    seal = AuditSeal.objects.using(alias).filter(pk=1).first() or AuditSeal()  # after the watermarks
    return [
        _lag(destination, rows.get(name) or Shipment(destination=name, seq=seal.pruned_seq), seal, alias, now)
        for name, destination in sorted(declared.items())
    ]


def _lag(destination: Destination, row: Shipment, seal: AuditSeal, alias: str, now: datetime) -> Lag:
    done = outbox.reached(row, seal)
    waiting = max(0, seal.seq - done)
    following = AuditEvent.objects.using(alias).filter(seq__gt=done).order_by("seq")
    oldest = following.values_list("at", flat=True).first() if waiting else None
    return Lag(destination, row, waiting, oldest, now)
