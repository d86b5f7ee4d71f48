"""A thread that reads again in every interval, at once when it is asked, and never twice at a time.

Whoever needs a fresh read starts or joins one and waits for it, but not longer than the bound: a read that
hangs in a dead connection keeps its thread and nobody else.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Final, NamedTuple

WAIT_SECONDS: Final = 2.0
"""How long anybody waits for a read at most."""

HANGS_AFTER: Final = 5.0
"""After how many seconds a read is interrupted."""


class Waiter(NamedTuple):
    """Somebody on an event loop who waits for the read of this number or a later one."""

    target: int
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[None]


_running: Final = threading.local()


def progress() -> None:
    """Say that the read which runs on this thread goes on: it is long, and does not hang."""
    refresher = getattr(_running, "refresher", None)
    if refresher is not None:
        refresher.note_progress()


class Refresher:
    """Runs ``read`` on a thread of its own, which starts when somebody first asks.

    ``read`` must not raise. ``interval`` returns the seconds between two reads nobody asked for, ``ended``
    is called on the thread as its last act, ``interrupt`` on another one to make a read fail that hangs.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[str], None],
        *,
        interval: Callable[[], float],
        ended: Callable[[], None],
        interrupt: Callable[[], None],
    ) -> None:
        self._name = name
        self._read = read
        self._interval = interval
        self._ended = ended
        self._interrupt = interrupt
        self._condition = threading.Condition()  # reentrant
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._asked = self._served = 0
        self._source = "start"
        self._reading_since = 0.0
        self._slow_since = 0.0
        self._waiters: set[Waiter] = set()

    @property
    def is_running(self) -> bool:
        """Whether the thread is alive."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Start the thread if it does not run; it begins with a read."""
        with self._condition:
            if not self.is_running:
                self._stopping = False
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def interrupt_if_hanging(self) -> None:
        """Make a read fail that goes on for longer than HANGS_AFTER."""
        since = self._reading_since
        if since and time.monotonic() - since > HANGS_AFTER:
            self._interrupt()

    def note_progress(self) -> None:
        """Count the time from which the read would hang anew."""
        self._reading_since = time.monotonic()

    def nudge(self, source: str) -> None:
        """Read at once if the thread runs; ``source`` says who asked."""
        with self._condition:
            if self.is_running:
                self._asked += 1
                self._source = source
                self._condition.notify_all()

    def wait(self) -> None:
        """Start or join a read that begins from now on, and wait for it within WAIT_SECONDS."""
        with self._condition:
            target = self._ask()
            self._condition.wait_for(lambda: self._served >= target, self._patience())

    async def wait_async(self) -> None:
        """Do as ``wait`` without blocking the event loop or a thread."""
        loop = asyncio.get_running_loop()
        with self._condition:
            waiter = Waiter(self._ask(), loop, loop.create_future())
            patience = self._patience()
            self._waiters.add(waiter)
        try:
            await asyncio.wait([waiter.future], timeout=patience)
        finally:
            with self._condition:
                self._waiters.discard(waiter)

    def stop(self, seconds: float = WAIT_SECONDS) -> None:
        """End the thread, waiting for it within a time; the next one who asks starts a new one."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(seconds)
        self._thread = None

    def _ask(self) -> int:
        """Ask for a read and return its number; the condition is held."""
        self.start()
        self._asked += 1
        self._source = "request"
        self._condition.notify_all()
        return self._asked

    def _patience(self) -> float:
        """How long to wait: not again in full for a read that hangs already, or after one that did."""
        since = self._slow_since or self._reading_since
        return max(0.0, WAIT_SECONDS - (time.monotonic() - since)) if since else WAIT_SECONDS

    def _run(self) -> None:
        _running.refresher = self
        try:
            while not self._stopping:
                with self._condition:
                    target, source, self._source = self._asked, self._source, "poll"
                    self._reading_since = time.monotonic()
                self._read(source)
                with self._condition:
                    is_slow = time.monotonic() - self._reading_since > WAIT_SECONDS
                    self._slow_since = (self._slow_since or self._reading_since) if is_slow else 0.0
                    self._reading_since = 0.0
                    self._served = max(self._served, target)
                    served = [waiter for waiter in self._waiters if waiter.target <= self._served]
                    self._waiters.difference_update(served)
                    self._condition.notify_all()
                _wake(served)
                with self._condition:
                    self._condition.wait_for(self._has_work, self._interval())
        finally:
            self._reading_since = self._slow_since = 0.0
            self._ended()

    def _has_work(self) -> bool:
        return self._stopping or self._asked > self._served


def _wake(waiters: list[Waiter]) -> None:
    for waiter in waiters:
        try:
            waiter.loop.call_soon_threadsafe(_finish, waiter.future)
        except RuntimeError:  # the loop was closed while its request waited
            continue


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
