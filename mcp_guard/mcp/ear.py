"""One who is told something, as fast as he listens: it waits in bounded room, and nobody waits for him."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Final

MOST_WAITING: Final = 64
"""How much waits for one who does not listen; with more, the oldest is dropped."""

Say = Callable[[], Awaitable[None]]
"""Tells one thing."""


class Ear:
    """One who is told something, in order. Of what has the same key, only the latest is told."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[Hashable, Say] = OrderedDict()
        self._telling: asyncio.Task[None] | None = None

    def tell(self, key: Hashable, say: Say) -> None:
        """Have it told; what still waits under the key is replaced."""
        self._waiting[key] = say
        while len(self._waiting) > MOST_WAITING:
            self._waiting.popitem(last=False)
        if self._telling is None or self._telling.done():
            self._telling = asyncio.get_running_loop().create_task(self._tell())

    async def told(self) -> None:
        """Return when nothing waits any more."""
        while self._telling is not None and not self._telling.done():
            await asyncio.wait([self._telling])

    def close(self) -> None:
        """Tell nothing more."""
        self._waiting.clear()
        if self._telling is not None:
            self._telling.cancel()

    async def _tell(self) -> None:
        while self._waiting:
            _, say = self._waiting.popitem(last=False)
            await say()
