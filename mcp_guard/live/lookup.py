"""Look up tokens that are not in memory, where there are more of them than memory may hold.

A few threads with a connection each read them, a request waits for them within a bound, and what was
found is remembered for as long as the snapshot it was read under, and for nobody who judges by another
one. A token read while a change was being applied is read again: it must not outlive its own revocation.
An unknown one is never remembered, so nobody can fill the memory with inventions.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Final, NamedTuple

from django.db import Error, connections, router

from mcp_guard.live import load
from mcp_guard.live.connection import bound
from mcp_guard.live.holder import holder
from mcp_guard.models import Revision
from mcp_guard.policy.credential import TokenRecord
from mcp_guard.policy.snapshot import Snapshot

THREADS: Final = 4
"""How many look-ups run at a time."""

QUEUED: Final = 100
"""How many look-ups may run or wait, given up or not; one more is refused at once."""

WAIT_SECONDS: Final = 2.0
"""How long a request waits for a look-up at most."""

REMEMBERED: Final = 10_000
"""How many tokens that were looked up are remembered."""

ATTEMPTS: Final = 3
"""How often a token is read again because policy changed meanwhile."""


class Found(NamedTuple):
    """What a look-up found: the record or None, the snapshot it goes with, and when it was asked for."""

    record: TokenRecord | None
    snapshot: Snapshot
    asked: float


class TooManyLookups(RuntimeError):
    """More look-ups are waiting than may."""


class _Asked(NamedTuple):
    digest: bytes
    future: Future[Found]


class PolicyKeepsMoving(RuntimeError):
    """Policy changed during each of the attempts."""


class Lookups:
    """The look-ups of one process."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._threads: list[threading.Thread] = []
        self._waiting: SimpleQueue[_Asked | None] = SimpleQueue()
        self._free = threading.BoundedSemaphore(QUEUED)
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._remembered: OrderedDict[bytes, TokenRecord] = OrderedDict()

    def remembered(self, digest: bytes, snapshot: Snapshot) -> TokenRecord | None:
        """Return the record if it was looked up under this snapshot."""
        with self._lock:
            if self._snapshot is not snapshot or digest not in self._remembered:
                return None
            self._remembered.move_to_end(digest)
            return self._remembered[digest]

    def forget(self) -> None:
        """Forget everything: the snapshot has been swapped."""
        with self._lock:
            self._remembered.clear()

    def submit(self, digest: bytes) -> Future[Found]:
        """Start a look-up.

        Raises:
            TooManyLookups: when as many are waiting as may.
        """
        if not self._free.acquire(blocking=False):
            raise TooManyLookups
        future: Future[Found] = Future()
        self._start()
        self._waiting.put(_Asked(digest, future))
        return future

    def stop(self) -> None:
        """End the threads once they have done what waits; the next look-up starts new ones."""
        with self._lock:
            threads, self._threads = self._threads, []
        for _ in threads:
            self._waiting.put(None)
        for thread in threads:
            thread.join(WAIT_SECONDS)

    def _start(self) -> None:
        """Start the threads. They are daemons: one that hangs must not keep the process from ending."""
        with self._lock:
            while len(self._threads) < THREADS:
                thread = threading.Thread(target=self._run, name="mcp_guard token", daemon=True)
                self._threads.append(thread)
                thread.start()

    def _run(self) -> None:
        while (asked := self._waiting.get()) is not None:
            try:
                if asked.future.set_running_or_notify_cancel():
                    asked.future.set_result(self._find(asked.digest))
            except Exception as error:  # noqa: BLE001 (it is raised where the result is asked for)
                asked.future.set_exception(error)
            finally:
                self._free.release()
        connections.close_all()

    def _find(self, digest: bytes) -> Found:
        alias, asked = router.db_for_write(Revision), time.monotonic()
        for _ in range(ATTEMPTS):
            snapshot = holder.snapshot
            record = _read(alias, digest)
            if self._remember(digest, record, snapshot):
                return Found(record, snapshot, asked)
        raise PolicyKeepsMoving

    def _remember(self, digest: bytes, record: TokenRecord | None, snapshot: Snapshot) -> bool:
        """Remember a record unless the snapshot was swapped since before it was read."""
        with self._lock:
            if holder.snapshot is not snapshot:
                return False
            if self._snapshot is not snapshot:
                self._remembered.clear()
                self._snapshot = snapshot
            if record is not None:
                self._remembered[digest] = record
                if len(self._remembered) > REMEMBERED:
                    self._remembered.popitem(last=False)
            return True


def _read(alias: str, digest: bytes) -> TokenRecord | None:
    """Return the record of a token, over a new connection when the one that was kept has died."""
    connection = bound(alias)
    was_open = connection.connection is not None
    try:
        return load.read_token(alias, digest)
    except Error:
        connection.close()
        if not was_open:
            raise
        return load.read_token(alias, digest)


lookups: Final = Lookups()
"""The look-ups of this process."""

remembered = lookups.remembered

os.register_at_fork(after_in_child=lookups._reset)  # noqa: SLF001 (a thread does not survive a fork)


def find(digest: bytes) -> Found:
    """Return what the database knows of a token.

    Raises:
        TimeoutError: when it does not answer within WAIT_SECONDS.
        TooManyLookups: when too many requests wait for it already.
    """
    future = lookups.submit(digest)
    try:
        return future.result(WAIT_SECONDS)
    finally:
        future.cancel()  # nobody waits any more for one that has not begun


async def afind(digest: bytes) -> Found:
    """Do as ``find`` without blocking the event loop."""
    return await asyncio.wait_for(asyncio.wrap_future(lookups.submit(digest)), WAIT_SECONDS)
