"""The pools of this process: one for each event loop that serves registered servers."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from typing import Final

from mcp_guard.servers.pool import Pool
from mcp_guard.servers.slot import Slot

_pools: Final[dict[asyncio.AbstractEventLoop, Pool]] = {}
_lock = threading.Lock()


def of_running_loop(make: Callable[[], Pool]) -> tuple[Pool, bool]:
    """Return the pool of the running loop, and whether it was made for this call."""
    loop = asyncio.get_running_loop()
    with _lock:
        found = _pools.get(loop)
        if found is not None:
            return found, False
        for closed in [other for other in _pools if other.is_closed()]:
            del _pools[closed]
        made = _pools[loop] = make()
        return made, True


async def close_of_running_loop() -> None:
    """End the processes of the running loop, in bounded time; the next call finds a new pool."""
    loop = asyncio.get_running_loop()
    pool = _pools.get(loop)
    if pool is not None:
        await pool.aclose()
        with _lock:
            _pools.pop(loop, None)


async def drain_of_running_loop() -> None:
    """Take no more calls on the running loop, and wait for those that run; in bounded time."""
    pool = _pools.get(asyncio.get_running_loop())
    if pool is not None:
        await pool.drain()


def review_all() -> None:
    """Have every loop stop what runs by a row that is gone; called by any thread, and waits for nothing."""
    with _lock:
        found = list(_pools.items())
    for loop, pool in found:
        if not loop.is_closed():
            loop.call_soon_threadsafe(pool.review)


def slots_of_running_loop() -> list[Slot]:
    """Return the places of the processes that the running loop may ask."""
    pool = _pools.get(asyncio.get_running_loop())
    return [] if pool is None else list(pool.slots.values())


def slots() -> list[Slot]:
    """Return the places of all processes, for whoever reports on them from another thread."""
    with _lock:
        found = list(_pools.values())
    return [slot for pool in found for slot in list(pool.slots.values())]


def _forget() -> None:
    """Forget what belongs to the parent of a process that was forked."""
    global _lock  # noqa: PLW0603 (the parent may have held it)
    _lock = threading.Lock()
    _pools.clear()


os.register_at_fork(after_in_child=_forget)
