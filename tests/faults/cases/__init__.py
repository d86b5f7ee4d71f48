"""The faults, one module each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from tests.faults.cases import database, redis_down, revocations
from tests.faults.report import Report

FAULTS: Final[dict[str, Callable[..., Awaitable[Report]]]] = {
    "database": database.run,
    "redis": redis_down.run,
    "revocations": revocations.run,
}
