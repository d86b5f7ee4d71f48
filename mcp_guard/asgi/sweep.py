"""Look once in a second at everything that is open in an event loop, instead of a timer for each of it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final, Protocol
from weakref import WeakKeyDictionary

from mcp_guard.live.connections import Connection, connections

log = logging.getLogger("mcp_guard.gate")

INTERVAL_SECONDS: Final = 1.0
"""How often it is looked; a bound of time is kept to within that."""

AT_A_TIME: Final = 1000
"""How many are looked at before other things get their turn."""


class Open(Protocol):
    """Something open that has bounds of time."""

    def look(self, now: float) -> None:
        """End it if a bound is exceeded; ``now`` is in monotonic seconds, the loop is its own."""
        ...


class Lasting(Open, Connection, Protocol):
    """Something open that has bounds of time, and is judged again when policy changes."""


class Sweep:
    """What is open in one event loop."""

    def __init__(self) -> None:
        self._open: set[Open] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.discard: Callable[[Open], None] = self._open.discard
        """Look at it no more."""

    def __len__(self) -> int:
        """Return how many are open."""
        return len(self._open)

    def add(self, one: Open) -> None:
        """Look at it from now on."""
        self._open.add(one)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(INTERVAL_SECONDS, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._look(list(self._open))

    def _look(self, left: list[Open]) -> None:
        """Look at some and leave the others for later; whoever was closed meanwhile is left out."""
        now = time.monotonic()
        for one in left[:AT_A_TIME]:
            if one in self._open:
                _look_at(one, now)
        if len(left) > AT_A_TIME:
            asyncio.get_running_loop().call_soon(self._look, left[AT_A_TIME:])
        elif self._open and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(INTERVAL_SECONDS, self._tick)


def _look_at(one: Open, now: float) -> None:
    """Look at one; if that fails, the others are looked at all the same, and this one again."""
    try:
        one.look(now)
    except Exception:
        log.exception("the bounds of something open could not be kept")


_sweeps: WeakKeyDictionary[asyncio.AbstractEventLoop, Sweep] = WeakKeyDictionary()


_latest: tuple[asyncio.AbstractEventLoop, Sweep] | None = None
"""The event loop that was asked for last, and its sweep: nearly always the one that is asked for next."""


def sweep(loop: asyncio.AbstractEventLoop | None = None) -> Sweep:
    """Return the sweep of the running event loop, for whoever has that at hand without asking for it."""
    global _latest  # noqa: PLW0603 (one for each process)
    loop, latest = loop or asyncio.get_running_loop(), _latest
    if latest is None or latest[0] is not loop:
        latest = _latest = (loop, _sweeps.setdefault(loop, Sweep()))
    return latest[1]


def keep(one: Lasting) -> Sweep:
    """Look at it from now on, and have it judged again; return the sweep of the running event loop."""
    loop, latest = asyncio.get_running_loop(), _latest
    swept = latest[1] if latest is not None and latest[0] is loop else sweep()
    connections.add(one, loop)
    swept.add(one)
    return swept
