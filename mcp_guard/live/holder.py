"""Hold the policy of this process: the current snapshot, and how old it is.

The refreshing thread has a database connection of its own and is the only one that reads policy. It looks
at the revision once in every poll interval, at once when it hears of a change, and whenever a request
finds that the number shared by the processes of this host has moved. It starts with the first request,
never at import, and again after a fork. What else has to be done now and then has another thread, so that
no slow session store and no locked table makes policy old.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from channels.db import database_sync_to_async
from django.core.signals import setting_changed
from django.db import connections, router

from mcp_guard.conf import CONFIGURING_SETTINGS, config
from mcp_guard.live import feed, load
from mcp_guard.live.connection import OwnConnections
from mcp_guard.live.counter import Counter, path_of_database
from mcp_guard.live.delays import Delays
from mcp_guard.live.errands import errands, recording
from mcp_guard.live.listen import Listeners, push
from mcp_guard.live.refresher import Refresher
from mcp_guard.models import Revision
from mcp_guard.policy.snapshot import Snapshot

log = logging.getLogger("mcp_guard.live")

STALE_SECONDS: Final = 2.0
"""A request that finds the snapshot older than this starts or joins a refresh."""


class Holder:
    """The snapshot of one process.

    ``inline`` loads on the calling thread and connection instead of the own ones; it is for tests, which
    hold their rows in a transaction nobody else can see. ``failures`` counts reads that failed in a row,
    ``source`` says what the last successful one was asked for by.
    """

    def __init__(self) -> None:
        self.inline = False
        self._after_swap: list[Callable[[], None]] = []
        self._after_read: list[Callable[[], None]] = []
        self._reset()

    def _reset(self) -> None:
        self._connections = OwnConnections()
        self._refresher = Refresher(
            "mcp_guard policy",
            self._attempt,
            interval=lambda: config().poll_interval,
            ended=connections.close_all,
            interrupt=self._connections.cut,
        )
        self._listeners = Listeners(self._refresher.nudge)
        self._counter = Counter(None)
        self._starting = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._seen: load.Look | None = None
        self._inactive: frozenset[int] = frozenset()
        self._read_at = float("-inf")
        self._clock_offset = time.time() - time.monotonic()
        self._changes = self._applied = 0
        self._moved = 0
        self.failures = 0
        self.last_error = ""
        self.source = ""
        self.delays = Delays()

    @property
    def snapshot(self) -> Snapshot:
        """The current snapshot; before the first load one that lets nobody in."""
        return self._snapshot or load.empty(config())

    @property
    def age(self) -> float:
        """Seconds since the start of the last read that counts.

        Infinite before the first one, and while a change that is known of is not applied.
        """
        if self._moved != self._counter.value or self._applied < self._changes:
            return float("inf")
        return time.monotonic() - self._read_at

    def age_since(self, asked: float) -> float:
        """Return the age for a request that asked for a read at a monotonic time.

        A read that began afterwards covers all that was committed before the request, so a change that
        came after it does not count against that read.
        """
        return time.monotonic() - self._read_at if self._read_at >= asked else self.age

    @property
    def is_behind(self) -> bool:
        """Whether a request has to refresh first."""
        return self.fresh_now() is None

    def fresh_now(self, snapshot: Snapshot | None = None) -> float | None:
        """Return what ``now`` does, None while the snapshot is too old to be used without a refresh.

        With a snapshot it is None as well where that is not the current one any more.
        """
        clock = time.monotonic()
        if (
            self._moved != self._counter.cell[0]  # as ``value`` does: this is asked for each request
            or self._applied < self._changes
            or clock - self._read_at > STALE_SECONDS
            or (snapshot is not None and snapshot is not self._snapshot)
        ):
            return None
        return clock + self._clock_offset

    def stands(self, snapshot: Snapshot | None, until: float) -> bool:
        """Return whether what was decided under a snapshot still holds.

        ``until`` is in seconds since the epoch, 0 for a decision that no time ends.
        """
        if snapshot is None or snapshot is not self._snapshot:
            return False
        if self._moved != self._counter.cell[0] or self._applied < self._changes:
            return False
        now = time.monotonic()
        return now - self._read_at <= STALE_SECONDS and (not until or now + self._clock_offset < until)

    def now(self) -> float:
        """Return the database's clock at the last read plus the monotonic one, in seconds since the epoch."""
        return time.monotonic() + self._clock_offset

    def listen(self, after_swap: Callable[[], None]) -> None:
        """Call ``after_swap`` after each swap of the snapshot, on the refreshing thread."""
        self._after_swap.append(after_swap)

    def after_each_read(self, action: Callable[[], None]) -> None:
        """Call ``action``, which waits for nothing, after each successful read, on the refreshing thread."""
        self._after_read.append(action)

    def interrupt_if_hanging(self) -> None:
        """Make a read fail that goes on for too long, so that the next one gets a connection that works."""
        self._refresher.interrupt_if_hanging()

    def expire(self) -> None:
        """Say that this process has committed a change.

        No request from now on is judged by the older snapshot, here and in the other processes of this
        host; those elsewhere are told to look.
        """
        self._changes += 1
        if self.inline:
            return
        self._map_counter()
        self._counter.move()
        self._refresher.nudge("change")
        if config().push:
            push()

    def refresh(self) -> None:
        """Start or join a refresh and wait for it, within its bound; ``age`` tells whether it worked."""
        if self.inline:
            self._read("test")
            return
        self._start()
        self._refresher.wait()

    async def arefresh(self) -> None:
        """Do as ``refresh`` without blocking the event loop or a thread."""
        if self.inline:
            await database_sync_to_async(self._read)("test")
            return
        self._start()
        await self._refresher.wait_async()

    def stop(self) -> None:
        """End the threads; the next refresh starts new ones."""
        self._listeners.stop()
        errands.stop()
        recording.stop()
        self._refresher.stop()

    def forget(self) -> None:
        """Drop everything that was read, as a new process has nothing."""
        self.stop()
        self._reset()

    def forget_revision(self) -> None:
        """Load everything at the next look, whatever the revision says."""
        self._seen = None
        self._changes += 1

    def _start(self) -> None:
        if not self._refresher.is_running:
            with self._starting:
                self._map_counter()
                errands.start()
                recording.start()
                if config().push:
                    self._listeners.start()
        self._refresher.interrupt_if_hanging()
        errands.interrupt_if_hanging()
        recording.interrupt_if_hanging()

    def _map_counter(self) -> None:
        if config().shared_counter and not self._counter.is_shared:
            path = path_of_database()
            if path is not None:
                self._counter = Counter(path)

    def _attempt(self, source: str) -> None:
        """Read, a second time if the connection that was kept has died.

        A database that fails leaves the snapshot, whose age then refuses requests.
        """
        self._connections.take()
        connection = connections[router.db_for_write(Revision)]
        for may_have_died in (connection.connection is not None, False):
            try:
                self._read(source)
                for action in self._after_read:
                    action()
            except Exception as error:  # noqa: BLE001 (whatever fails, the thread must go on looking)
                with suppress(Exception):
                    connection.close()
                if may_have_died:
                    continue
                self._note_failure(error)
            return

    def _note_failure(self, error: Exception) -> None:
        self.failures += 1
        self.last_error = type(error).__name__
        if self.failures in (1, 10) or self.failures % 60 == 0:
            log.warning("policy could not be read, %d times in a row: %s", self.failures, self.last_error)

    def _read(self, source: str) -> None:
        alias = router.db_for_write(Revision)
        changes, moved, started = self._changes, self._counter.value, time.monotonic()
        seen, inactive = load.look(alias), load.inactive_users(alias)
        known = self._seen
        swapped = known is None or not known.is_same(seen) or inactive != self._inactive
        if swapped:
            followed = self._snapshot if inactive == self._inactive else None
            self._snapshot = feed.follow(alias, followed, known, seen)
            self._seen, self._inactive = seen, inactive
        self._clock_offset = seen.clock - started
        self._read_at = started
        self._applied, self._moved = changes, moved
        self.failures, self.source = 0, source
        if swapped:
            if known is not None and seen.changed_at:
                self.delays.observe(max(0.0, self.now() - seen.changed_at))
            for after_swap in self._after_swap:
                after_swap()


holder: Final = Holder()
"""The holder of this process."""


def _read_settings_again(*, setting: str, **_: object) -> None:
    """Load anew after the settings of a test changed: the snapshot holds the endpoints they declare."""
    if setting in CONFIGURING_SETTINGS:
        holder.forget_revision()


setting_changed.connect(_read_settings_again, dispatch_uid="mcp_guard.live")
os.register_at_fork(after_in_child=holder._reset)  # noqa: SLF001 (a thread does not survive a fork)
