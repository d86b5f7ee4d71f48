"""The faults, one module each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from tests.faults.cases import database, killed_writer, redis_down, restored, revocations, wrong_clock
from tests.faults.report import Report

FAULTS: Final[dict[str, Callable[..., Awaitable[Report]]]] = {
    "database": database.run,
    "writer": killed_writer.run,
    "restore": restored.run,
    "clock": wrong_clock.run,
    "redis": redis_down.run,
    "revocations": revocations.run,
}
