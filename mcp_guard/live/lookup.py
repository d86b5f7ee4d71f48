"""Look up tokens that are not in memory, where there are more of them than memory may hold.

A few threads with a connection each read them, a request waits for them within a bound, and what was
found is remembered for as long as the snapshot it was read under. A token read while a change was being
applied is read again: it must not outlive its own revocation. An unknown one is never remembered, so
nobody can fill the memory with inventions.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, NamedTuple

from django.db import close_old_connections, router

from mcp_guard.live import load
from mcp_guard.live.holder import holder
from mcp_guard.models import Revision
from mcp_guard.policy.credential import TokenRecord
from mcp_guard.policy.snapshot import Snapshot

THREADS: Final = 4
"""How many look-ups run at a time."""

QUEUED: Final = 100
"""How many look-ups may run or wait; one more is refused at once."""

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


class Lookups:
    """The look-ups of one process."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._free = threading.BoundedSemaphore(QUEUED)
        self._lock = threading.Lock()
        self._remembered: OrderedDict[bytes, TokenRecord] = OrderedDict()

    def remembered(self, digest: bytes) -> TokenRecord | None:
        """Return the record if it was looked up under the current snapshot."""
        with self._lock:
            return self._remembered.get(digest)

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
        with self._lock:
            self._pool = self._pool or ThreadPoolExecutor(THREADS, "mcp_guard token")
        future = self._pool.submit(self._find, digest)
        future.add_done_callback(lambda _: self._free.release())
        return future

    def _find(self, digest: bytes) -> Found:
        close_old_connections()
        alias, asked = router.db_for_write(Revision), time.monotonic()
        for _ in range(ATTEMPTS):
            snapshot = holder.snapshot
            record = load.read_token(alias, digest)
            if self._remember(digest, record, snapshot):
                return Found(record, snapshot, asked)
        raise TooManyLookups

    def _remember(self, digest: bytes, record: TokenRecord | None, snapshot: Snapshot) -> bool:
        """Remember a record unless the snapshot was swapped since before it was read."""
        with self._lock:
            if holder.snapshot is not snapshot:
                return False
            if record is not None:
                self._remembered[digest] = record
                if len(self._remembered) > REMEMBERED:
                    self._remembered.popitem(last=False)
            return True


lookups: Final = Lookups()
"""The look-ups of this process."""

remembered = lookups.remembered


def find(digest: bytes) -> Found:
    """Return what the database knows of a token.

    Raises:
        TimeoutError: when it does not answer within WAIT_SECONDS.
        TooManyLookups: when too many requests wait for it already.
    """
    return lookups.submit(digest).result(WAIT_SECONDS)


async def afind(digest: bytes) -> Found:
    """Do as ``find`` without blocking the event loop."""
    return await asyncio.wait_for(asyncio.wrap_future(lookups.submit(digest)), WAIT_SECONDS)
