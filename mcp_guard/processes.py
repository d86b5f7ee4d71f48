"""The processes that follow the policy, each as it was when it last said so.

They say it every 15 seconds, so right after a change one that follows may still be shown with the revision
before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import router

from mcp_guard.live.heartbeat import SECONDS
from mcp_guard.models import ProcessState, Revision

SILENT_AFTER: Final = timedelta(seconds=3 * SECONDS)
"""After how long without a word a process counts as silent: it has ended, hangs, or lacks its database."""

MOST_SILENT: Final = 20
"""How many silent processes are shown; servers that recycle their workers leave many behind."""

UNKNOWN_AGE: Final = 1e6
"""What a heartbeat says for the age of a policy that lacks a change the process knows of, in seconds."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process. ``current`` is the revision of the database, ``now`` when it was looked at."""

    row: ProcessState
    current: int
    now: datetime

    @property
    def behind(self) -> int:
        """How many revisions it lacked; negative where the database was set back to an older one."""
        return self.current - self.row.revision

    @property
    def age(self) -> float | None:
        """Seconds since its last read of the policy; None while a change it knew of was not applied."""
        return self.row.age if self.row.age < UNKNOWN_AGE else None

    @property
    def seen(self) -> int:
        """Seconds since it last said how it is."""
        return max(0, int((self.now - self.row.seen_at).total_seconds()))

    @property
    def connections(self) -> dict[str, int]:
        """How many connections each client has open; those of no client are counted under a dash."""
        return {client or "-": count for client, count in self.row.connections.items()}

    @property
    def is_silent(self) -> bool:
        """Whether it should have said so again by now."""
        return self.now - self.row.seen_at > SILENT_AFTER


def processes(now: datetime) -> list[Process]:
    """Return the processes of the last day by host and number; empty when none has judged a request yet."""
    alias = router.db_for_write(Revision)
    rows = list(ProcessState.objects.using(alias))
    current = Revision.objects.using(alias).filter(pk=1).values_list("n", flat=True).first() or 0
    return [Process(row, current, now) for row in rows]


def to_show(found: list[Process]) -> tuple[list[Process], int]:
    """Return all that speak and the silent ones that spoke last, in order, and how many are left out."""
    silent = sorted((one for one in found if one.is_silent), key=lambda one: one.row.seen_at, reverse=True)
    left_out = {one.row.pk for one in silent[MOST_SILENT:]}
    return [one for one in found if one.row.pk not in left_out], len(left_out)
