"""The place of one party's process: empty, taken, or left alone for a while after failures."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Protocol

from mcp_guard.policy.registration import Registration
from mcp_guard.servers import events
from mcp_guard.servers.backoff import Backoff
from mcp_guard.servers.ends import End, Ending, UnavailableError, Why
from mcp_guard.servers.party import Party
from mcp_guard.servers.run import Run
from mcp_guard.servers.tail import Tail
from mcp_guard.servers.times import Times


class Host(Protocol):
    """Where processes run."""

    async def room(self) -> None:
        """Return when one more may run, stopping one that idles; raise when all are at work."""

    def row(self, server: str) -> Registration:
        """Return the row of a server as it is now; raise when it may not run."""
        ...

    def launch(self, slot: Slot, registration: Registration) -> Run:
        """Begin a process."""
        ...


class Slot:
    """One party's process. ``hearer`` is told what a process says unasked, over all restarts of it."""

    def __init__(self, party: Party, hearer: Any, times: Times) -> None:
        self.party = party
        self.hearer = hearer
        self.tail = Tail()
        self.backoff = Backoff()
        self.run: Run | None = None
        self.last: Ending | None = None
        self.starts = 0
        self.calls = 0
        self.used = time.monotonic()
        self._times = times
        self._waiting = 0

    @property
    def is_needed(self) -> bool:
        """Whether somebody uses it, waits for it, or hears what its process says."""
        return self.run is not None or self._waiting > 0 or self.hearer.is_heard

    async def started(self, host: Host) -> Run:
        """Return the process, once it takes calls.

        Raises:
            UnavailableError: when there is none in the time that a caller waits, or it may no longer run.
        """
        self._waiting += 1
        try:
            async with asyncio.timeout(self._times.acquire):
                run = await self._started(host)
        except TimeoutError:
            raise UnavailableError(Why.NOT_STARTED) from None
        finally:
            self._waiting -= 1
        self.calls += 1
        self.used = time.monotonic()
        return run

    def stop(self, end: End) -> None:
        """Have the process end, if there is one."""
        if self.run is not None:
            self.run.stop(end)

    async def empty(self) -> None:
        """Wait until there is no process."""
        while self.run is not None:
            await asyncio.shield(self.run.ended)

    async def _started(self, host: Host) -> Run:
        """Look at the row again after each wait: what was disabled meanwhile is not started."""
        while True:
            run, registration = self.run, self._row(host)
            if run is None:
                await self._wait_for_turn()
                await host.room()
                if self.run is None:
                    self._launch(self._row(host), host)
            elif run.is_stopping or run.registration != registration:
                run.stop(End.CHANGED)
                await asyncio.shield(run.ended)
            elif run.is_ready:
                return run
            else:
                await asyncio.shield(run.ready)

    def _row(self, host: Host) -> Registration:
        """Return the row as it is now; one that is no longer shared, or is now, is for other places."""
        registration = host.row(self.party.server)
        if registration.shared != (self.party.identity is None):
            raise UnavailableError(Why.NOT_STARTED)
        return registration

    async def _wait_for_turn(self) -> None:
        wait = self.backoff.wait(time.monotonic())
        if wait > self._times.patience:
            raise UnavailableError(Why.BACKING_OFF, wait)
        if wait:
            await asyncio.sleep(wait)

    def _launch(self, registration: Registration, host: Host) -> None:
        self.starts += 1
        self.run = host.launch(self, registration)
        self.run.ended.add_done_callback(self._ended)
        events.started(self.party)

    def _ended(self, done: asyncio.Future[Ending]) -> None:
        run, self.run, self.last = self.run, None, done.result()
        lived = time.monotonic() - run.started if run is not None else 0.0
        if self.last.is_orderly:
            self.backoff.ended(lived)
        else:
            self.backoff.failed(lived, time.monotonic())
            self.tail.note(f"-- ended: {self.last.end.value} {self.last.detail}".rstrip())
        if self.last.end not in (End.IDLE, End.MADE_ROOM):
            self.hearer.lose()
        events.ended(self.party, self.last, lived)
