"""Read what a request needs from stores that may hang: on a few threads, and within a bound.

A request waits for its read and no longer than the bound. Only so many may wait, and none while all threads
hang: more threads would only hang too. The threads are daemons, so a store that hangs keeps no process from
ending, and have connections of their own, so nothing of the project stands in their way.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, Final, Generic, NamedTuple, TypeVar

from django.db import Error, connections

from mcp_guard.live.connection import OwnConnections
from mcp_guard.live.refresher import HANGS_AFTER

THREADS: Final = 4
"""How many reads run at a time."""

QUEUED: Final = 100
"""How many reads may run or wait, given up or not; one more is refused at once."""

IDLE_SECONDS: Final = 30.0
"""After how long without work a thread closes its connections."""

T = TypeVar("T")


class TooManyReads(RuntimeError):
    """As many reads are waiting as may, or all threads hang."""


class _Asked(NamedTuple):
    read: Callable[[], Any]
    future: Future[Any]


class _Place:
    """What one thread is at: its connections, and since when it reads, 0 when it does not."""

    def __init__(self) -> None:
        self.own = OwnConnections()
        self.since = 0.0

    def hangs(self, seconds: float) -> bool:
        since = self.since
        return bool(since) and time.monotonic() - since > seconds


class Readers(Generic[T]):
    """Threads that read one kind of thing. ``bound`` is how long a request waits for it, in seconds."""

    def __init__(self, name: str, bound: float) -> None:
        self._name = name
        self.bound = bound
        self.reset()

    def reset(self) -> None:
        """Start anew, as a forked process has to: no thread survives a fork."""
        self._threads: dict[threading.Thread, _Place] = {}
        self._waiting: SimpleQueue[_Asked | None] = SimpleQueue()
        self._free = threading.BoundedSemaphore(QUEUED)
        self._lock = threading.Lock()

    def read(self, read: Callable[[], T]) -> T:
        """Return what ``read`` returns.

        Raises:
            TimeoutError: when that takes longer than the bound.
            TooManyReads: when it would have to wait behind too many others.
            Exception: whatever ``read`` raises.
        """
        future = self._submit(read)
        try:
            return future.result(self.bound)
        finally:
            future.cancel()  # nobody waits any more for one that has not begun

    async def aread(self, read: Callable[[], T]) -> T:
        """Do as ``read`` without blocking the event loop."""
        return await asyncio.wait_for(asyncio.wrap_future(self._submit(read)), self.bound)

    def interrupt_if_hanging(self) -> None:
        """Make reads fail that go on for too long, so that their threads get connections that work."""
        for place in list(self._threads.values()):
            if place.hangs(HANGS_AFTER):
                place.own.cut()

    def stop(self) -> None:
        """End the threads once they have done what waits; the next read starts new ones."""
        with self._lock:
            threads, self._threads = self._threads, {}
        for _ in threads:
            self._waiting.put(None)
        for thread in threads:
            thread.join(self.bound)

    def _submit(self, read: Callable[[], T]) -> Future[T]:
        self._start()
        if all(place.hangs(self.bound) for place in list(self._threads.values())):
            raise TooManyReads
        if not self._free.acquire(blocking=False):
            raise TooManyReads
        future: Future[T] = Future()
        self._waiting.put(_Asked(read, future))
        return future

    def _start(self) -> None:
        with self._lock:
            while len(self._threads) < THREADS:
                place = _Place()
                thread = threading.Thread(target=self._run, args=(place,), name=self._name, daemon=True)
                self._threads[thread] = place
                thread.start()

    def _run(self, place: _Place) -> None:
        place.own.take()
        while True:
            try:
                asked = self._waiting.get(timeout=IDLE_SECONDS)
            except Empty:
                connections.close_all()
                continue
            if asked is None:
                break
            place.since = time.monotonic()
            _carry_out(asked)
            place.since = 0.0
            self._free.release()
        connections.close_all()


def _carry_out(asked: _Asked) -> None:
    if not asked.future.set_running_or_notify_cancel():
        return
    try:
        asked.future.set_result(_read(asked.read))
    except Exception as error:  # noqa: BLE001 (it is raised where the result is asked for)
        asked.future.set_exception(error)


def _read(read: Callable[[], T]) -> T:
    """Read, a second time if the connection that was kept has died."""
    may_have_died = any(one.connection is not None for one in connections.all(initialized_only=True))
    try:
        return read()
    except Error:
        connections.close_all()
        if not may_have_died:
            raise
        return read()
