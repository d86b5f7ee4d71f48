"""Who starts next: so many processes at the same time, and of one server no more than half of them.

A process that does not speak holds its turn until its time is up. One server whose processes all do that
would else keep those of all others from starting.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol
from weakref import WeakValueDictionary


class Turn(Protocol):
    """What a process waits for before each step of its start."""

    def __call__(self) -> AbstractAsyncContextManager[None]:
        """Return a context that is entered when it may go on."""
        ...


class Turns:
    """The turns of one event loop; ``at_once`` is how many there are."""

    def __init__(self, at_once: int) -> None:
        self.all = asyncio.Semaphore(at_once)
        self._most = max(1, at_once // 2)
        self._of_one: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def of(self, server: str) -> Turn:
        """Return what a process of a server waits for."""
        own = self._of_one.get(server)
        if own is None:
            own = self._of_one[server] = asyncio.Semaphore(self._most)

        @asynccontextmanager
        async def turn() -> AsyncIterator[None]:
            async with own, self.all:
                yield

        return turn
