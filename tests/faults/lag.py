"""How late the machine itself is: a busy one keeps processes waiting, which says nothing about the gate."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

STEP_SECONDS: Final = 0.02
USUAL_SECONDS: Final = 0.01
"""How late a timer may be on a machine that has nothing else to do."""


@dataclass
class Lag:
    """By how many seconds timers were later than usual, at worst and in all."""

    worst: float = 0.0
    total: float = 0.0

    def note(self, late: float) -> None:
        """Note how late one timer was."""
        beyond = max(0.0, late - USUAL_SECONDS)
        self.worst = max(self.worst, beyond)
        self.total += beyond


@asynccontextmanager
async def lagging() -> AsyncIterator[Lag]:
    """Yield how late timers are while the block runs; on an idle machine both numbers stay zero."""
    lag = Lag()

    async def look() -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(STEP_SECONDS)
            lag.note(time.monotonic() - began - STEP_SECONDS)

    task = asyncio.create_task(look())
    try:
        yield lag
    finally:
        task.cancel()
