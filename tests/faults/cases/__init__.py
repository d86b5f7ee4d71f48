"""The faults, one module each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from tests.faults.cases import (
    audit_trail,
    bounds,
    database,
    endings,
    flood,
    killed_writer,
    open_sockets,
    redis_down,
    restored,
    revocations,
    session_store,
    siem,
    sqlite_writers,
    workers,
    wrong_clock,
)
from tests.faults.report import Report

FAULTS: Final[dict[str, Callable[..., Awaitable[Report]]]] = {
    "audit": audit_trail.run,
    "bounds": bounds.run,
    "clock": wrong_clock.run,
    "database": database.run,
    "endings": endings.run,
    "flood": flood.run,
    "redis": redis_down.run,
    "restore": restored.run,
    "revocations": revocations.run,
    "sessions": session_store.run,
    "siem": siem.run,
    "sockets": open_sockets.run,
    "sqlite": sqlite_writers.run,
    "workers": workers.run,
    "writer": killed_writer.run,
}
