"""Look up tokens that are not in memory, where there are more of them than memory may hold.

What was found is remembered for as long as the snapshot it was read under, and for nobody who judges by
another one. A token read while a change was being applied is read again: it must not outlive its own
revocation. An unknown one is never remembered, so nobody can fill the memory with inventions.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from typing import Final, NamedTuple

from django.db import router

from mcp_guard.live import load
from mcp_guard.live.holder import holder
from mcp_guard.live.readers import Readers
from mcp_guard.models import Revision
from mcp_guard.policy.credential import TokenRecord
from mcp_guard.policy.snapshot import Snapshot

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


class PolicyKeepsMoving(RuntimeError):
    """Policy changed during each of the attempts."""


class Lookups:
    """The look-ups of one process."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start anew, as a forked process has to."""
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

    def find(self, digest: bytes) -> Found:
        """Return what the database knows of a token, and remember it.

        Raises:
            PolicyKeepsMoving: when that could not be made sure of.
            django.db.Error: when the database cannot be read.
        """
        alias, asked = router.db_for_write(Revision), time.monotonic()
        for _ in range(ATTEMPTS):
            snapshot = holder.snapshot
            record = load.read_token(alias, digest)
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


lookups: Final = Lookups()
"""The look-ups of this process."""

readers: Final[Readers[Found]] = Readers("mcp_guard token", WAIT_SECONDS)
"""The threads that read tokens."""

remembered = lookups.remembered


def find(digest: bytes) -> Found:
    """Return what the database knows of a token.

    Raises:
        TimeoutError: when it does not answer within WAIT_SECONDS.
        TooManyReads: when too many requests wait for it already.
    """
    return readers.read(lambda: lookups.find(digest))


async def afind(digest: bytes) -> Found:
    """Do as ``find`` without blocking the event loop."""
    return await readers.aread(lambda: lookups.find(digest))


def _start_anew() -> None:
    lookups.reset()
    readers.reset()


os.register_at_fork(after_in_child=_start_anew)
