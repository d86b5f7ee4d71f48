"""The state of the policy: its revision, and what of it cannot be used."""

from __future__ import annotations

from dataclasses import dataclass

from mcp_guard import conf
from mcp_guard.live.load import load
from mcp_guard.models import Change


@dataclass(frozen=True, slots=True)
class Status:
    """What the status page shows. ``revision`` is None while the settings cannot be used."""

    settings_problems: tuple[conf.Problem, ...]
    revision: int | None
    problems: tuple[str, ...]
    last_change: Change | None

    @property
    def is_sound(self) -> bool:
        """Whether there is nothing to repair."""
        return not self.settings_problems and not self.problems


def current() -> Status:
    """Return the state of the policy as the database has it now.

    The rows are read by the very loader that the gate uses, so that both mean the same by broken.
    """
    last_change = Change.objects.order_by("-revision").first()
    settings_problems = conf.parse().problems
    if settings_problems:
        return Status(settings_problems, None, (), last_change)
    snapshot = load()
    return Status((), snapshot.revision, snapshot.problems, last_change)
