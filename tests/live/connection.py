"""Open connections that only note what they were told."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass(eq=False)
class Noting:
    """An open connection; ``told`` holds ``recheck`` and ``doubt`` in the order in which they came."""

    client: str = "partner"
    session_key: str = ""
    user_id: int | None = None
    told: list[str] = field(default_factory=list)

    def recheck(self) -> None:
        self.told.append("recheck")

    def doubt(self) -> None:
        self.told.append("doubt")


async def turn() -> None:
    """Let what other threads asked of this event loop happen."""
    for _ in range(3):
        await asyncio.sleep(0)
