"""Hold the policy of this process: the current snapshot, how old it is, and the thread that refreshes it.

The thread has a database connection of its own and is the only one that reads policy, so no request
waits for the database longer than its own bound. It looks at the revision once in every poll interval,
and at once when this process changed policy itself. It starts with the first request, never at import,
and again after a fork.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Final

from channels.db import database_sync_to_async
from django.core.signals import setting_changed
from django.db import close_old_connections, connections, router

from mcp_guard.conf import CONFIGURING_SETTINGS, config
from mcp_guard.live import load
from mcp_guard.models import Revision
from mcp_guard.policy.snapshot import Snapshot

log = logging.getLogger("mcp_guard.live")

STALE_SECONDS: Final = 2.0
"""A request that finds the snapshot older than this starts or joins a refresh."""

WAIT_SECONDS: Final = 2.0
"""How long a request waits for a refresh at most."""

Listener = Callable[[], None]
Waiter = tuple[asyncio.AbstractEventLoop, "asyncio.Future[None]"]


class Holder:
    """The snapshot of one process.

    ``inline`` loads on the calling thread and connection instead of the own ones; it is for tests, which
    hold their rows in a transaction nobody else can see.
    """

    def __init__(self) -> None:
        self.inline = False
        self._listeners: list[Listener] = []
        self._reset()

    def _reset(self) -> None:
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._snapshot: Snapshot | None = None
        self._seen: load.Look | None = None
        self._inactive: frozenset[int] = frozenset()
        self._read_at = float("-inf")
        self._clock_offset = time.time() - time.monotonic()
        self._changes = self._applied = 0
        self._asked = self._served = 0
        self._attempt_at = 0.0
        self._waiters: list[Waiter] = []
        self.failures = 0
        self.last_error = ""

    @property
    def snapshot(self) -> Snapshot:
        """The current snapshot; before the first load one that lets nobody in."""
        return self._snapshot or load.empty(config())

    @property
    def age(self) -> float:
        """Seconds since the start of the last read that counts.

        Infinite before the first one, and while a change made by this process is not applied.
        """
        if self._applied < self._changes:
            return float("inf")
        return time.monotonic() - self._read_at

    @property
    def is_behind(self) -> bool:
        """Whether a request has to refresh first."""
        return self._applied < self._changes or time.monotonic() - self._read_at > STALE_SECONDS

    def now(self) -> float:
        """Return the database's clock at the last read plus the monotonic one, in seconds since the epoch."""
        return time.monotonic() + self._clock_offset

    def listen(self, listener: Listener) -> None:
        """Call ``listener`` after each swap of the snapshot, on the refreshing thread."""
        self._listeners.append(listener)

    def expire(self) -> None:
        """Say that this process changed policy: no request from now on is judged by the older snapshot."""
        with self._condition:
            self._changes += 1
            self._condition.notify_all()

    def refresh(self) -> None:
        """Start or join a refresh and wait for it, within WAIT_SECONDS; ``age`` tells whether it worked."""
        if self.inline:
            self._read()
            return
        with self._condition:
            target = self._ask()
            self._condition.wait_for(lambda: self._served >= target, self._patience())

    async def arefresh(self) -> None:
        """Do as ``refresh`` without blocking the event loop or a thread."""
        if self.inline:
            await database_sync_to_async(self._read)()
            return
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        with self._condition:
            self._ask()
            patience = self._patience()
            self._waiters.append((loop, waiter))
        await asyncio.wait([waiter], timeout=patience)

    def stop(self) -> None:
        """End the thread; the next refresh starts a new one."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(WAIT_SECONDS)
        self._thread = None

    def forget(self) -> None:
        """Drop everything that was read, as a new process has nothing."""
        self.stop()
        self._reset()

    def forget_revision(self) -> None:
        """Load everything at the next look, whatever the revision says."""
        self._seen = None
        self.expire()

    def _ask(self) -> int:
        """Ask for a read that starts from now on and return its number; the condition is held."""
        if self._thread is None or not self._thread.is_alive():
            self._stopping = False
            self._thread = threading.Thread(target=self._run, name="mcp_guard policy", daemon=True)
            self._thread.start()
        self._asked += 1
        self._condition.notify_all()
        return self._asked

    def _patience(self) -> float:
        """How long to wait: not again in full for a read that hangs already."""
        running = time.monotonic() - self._attempt_at if self._attempt_at else 0.0
        return max(0.0, WAIT_SECONDS - running)

    def _run(self) -> None:
        try:
            while not self._stopping:
                with self._condition:
                    target, self._attempt_at = self._asked, time.monotonic()
                self._attempt()
                with self._condition:
                    self._attempt_at = 0.0
                    self._served = max(self._served, target)
                    waiters, self._waiters = self._waiters, []
                    self._condition.notify_all()
                _wake(waiters)
                with self._condition:
                    self._condition.wait_for(self._has_work, config().poll_interval)
        finally:
            connections.close_all()

    def _has_work(self) -> bool:
        return self._stopping or self._asked > self._served or self._applied < self._changes

    def _attempt(self) -> None:
        """Read once; a database that fails leaves the snapshot, whose age then refuses requests."""
        try:
            close_old_connections()
            self._read()
        except Exception as error:  # noqa: BLE001 (whatever fails, the thread must go on looking)
            self.failures += 1
            self.last_error = type(error).__name__
            connections[router.db_for_write(Revision)].close()
            if self.failures in (1, 10) or self.failures % 60 == 0:
                log.warning("policy could not be read, %d times in a row: %s", self.failures, self.last_error)
            if self._applied < self._changes:
                time.sleep(0.05)

    def _read(self) -> None:
        alias = router.db_for_write(Revision)
        changes, started = self._changes, time.monotonic()
        seen, inactive = load.look(alias), load.inactive_users(alias)
        known = self._seen
        swapped = (
            known is None
            or (known.revision, known.epoch) != (seen.revision, seen.epoch)
            or inactive != self._inactive
        )
        if swapped:
            self._snapshot = load.load()
            self._seen, self._inactive = seen, inactive
        self._clock_offset = seen.clock - started
        self._read_at = started
        self._applied = changes
        self.failures = 0
        if swapped:
            for listener in self._listeners:
                listener()


def _wake(waiters: list[Waiter]) -> None:
    for loop, waiter in waiters:
        try:
            loop.call_soon_threadsafe(_finish, waiter)
        except RuntimeError:  # the loop was closed while its request waited
            continue


def _finish(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


holder: Final = Holder()
"""The holder of this process."""


def _read_settings_again(*, setting: str, **_: object) -> None:
    """Load anew after the settings of a test changed: the snapshot holds the endpoints they declare."""
    if setting in CONFIGURING_SETTINGS:
        holder.forget_revision()


setting_changed.connect(_read_settings_again, dispatch_uid="mcp_guard.live")
os.register_at_fork(after_in_child=holder._reset)  # noqa: SLF001 (a thread does not survive a fork)
