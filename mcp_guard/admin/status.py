"""The state of the policy: its revision, what of it cannot be used, and the processes that follow it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mcp_guard import conf
from mcp_guard.audit.lag import Lag, lags
from mcp_guard.live.load import load
from mcp_guard.models import Change
from mcp_guard.processes import Process, processes, to_show


@dataclass(frozen=True, slots=True)
class Status:
    """What the status page shows. ``revision`` is None while the settings cannot be used.

    ``left_out`` counts processes that have been silent for longer than those shown. ``destinations`` says how
    far behind each collector of audit events is.
    """

    settings_problems: tuple[conf.Problem, ...]
    revision: int | None
    problems: tuple[str, ...]
    last_change: Change | None
    processes: list[Process]
    left_out: int
    destinations: list[Lag]

    @property
    def is_sound(self) -> bool:
        """Whether there is nothing to repair."""
        return not self.settings_problems and not self.problems


def current(now: datetime) -> Status:
    """Return the state of the policy as the database has it now.

    The rows are read by the very loader that the gate uses, so that both mean the same by broken.
    """
    last_change = Change.objects.order_by("-revision").first()
    shown, left_out = to_show(processes(now))
    settings_problems, destinations = conf.parse().problems, lags(now)
    if settings_problems:
        return Status(settings_problems, None, (), last_change, shown, left_out, destinations)
    snapshot = load()
    return Status((), snapshot.revision, snapshot.problems, last_change, shown, left_out, destinations)
