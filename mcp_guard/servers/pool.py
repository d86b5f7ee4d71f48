"""The processes of one event loop: found or started for whoever calls, bounded in number, ended in order."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

from mcp_guard.live.servers import registered
from mcp_guard.policy.decision import Principal
from mcp_guard.policy.registration import Registration
from mcp_guard.servers.ends import End, UnavailableError, Why
from mcp_guard.servers.launch import start
from mcp_guard.servers.link import Connect
from mcp_guard.servers.party import Party, everybody, only
from mcp_guard.servers.run import Run, Start
from mcp_guard.servers.slot import Slot
from mcp_guard.servers.times import TIMES, Times
from mcp_guard.servers.turns import Turns

MOST_EMPTY: Final = 200
"""How many places without a process are remembered, for their back-off and their last words."""

Registered = Callable[[str], Registration | None]
"""Returns the row of a server as it is now; None for one that is unknown, disabled or not approved."""

MakeHearer = Callable[[Party], Any]
"""Makes what is told what a process says unasked."""


class Means(NamedTuple):
    """How processes are found, started and spoken with, and who hears them."""

    connect: Connect
    hearer: MakeHearer
    registered: Registered = registered
    start: Start = start


class Pool:
    """The processes of one event loop; ``limit`` is how many there may be."""

    def __init__(self, means: Means, limit: Callable[[], int], times: Times = TIMES) -> None:
        self.slots: dict[Any, Slot] = {}
        self._means = means
        self._limit = limit
        self._times = times
        self._turns = Turns(times.at_once)
        self._is_closing = False

    @asynccontextmanager
    async def use(self, server: str, principal: Principal) -> AsyncIterator[tuple[Slot, Run]]:
        """Have a process of a server for the length of a call, started if there is none, and its place.

        Raises:
            UnavailableError: when there is none, and none can be started now.
        """
        if threading.current_thread() is not threading.main_thread():
            raise UnavailableError(Why.WRONG_THREAD)
        if self._is_closing:
            raise UnavailableError(Why.STOPPING)
        slot = self._slot(self.row(server), principal)
        run = await slot.started(self)
        run.enter()
        try:
            yield slot, run
        finally:
            run.leave()

    def review(self) -> None:
        """Stop what runs by a row that was changed, disabled or removed."""
        for slot in self.slots.values():
            if slot.run is not None and self._means.registered(slot.party.server) != slot.run.registration:
                slot.stop(End.CHANGED)

    async def drain(self) -> None:
        """Take no more calls, and wait for those that run; in bounded time."""
        self._is_closing = True
        waiting = [asyncio.ensure_future(run.quiet.wait()) for run in self._runs()]
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=self._times.drain)
            for each in late:
                each.cancel()

    async def aclose(self) -> None:
        """Let calls go on for a little, and end all processes; in bounded time."""
        await self.drain()
        runs = self._runs()
        for run in runs:
            run.stop(End.SHUTDOWN)
        if runs:
            await asyncio.wait([run.ended for run in runs], timeout=2 * self._times.grace)

    async def room(self) -> None:
        """Return when one more process may run, stopping one that idles.

        Raises:
            UnavailableError: when all of them are at work, or nothing is started any more.
        """
        while True:
            if self._is_closing:
                raise UnavailableError(Why.STOPPING)
            runs = self._runs()
            if len(runs) < self._limit():
                return
            leaving = [run for run in runs if run.is_stopping]
            idle = leaving or sorted((run for run in runs if run.is_idle), key=lambda run: run.used)
            if not idle:
                raise UnavailableError(Why.TOO_MANY)
            idle[0].stop(End.MADE_ROOM)
            await asyncio.shield(idle[0].ended)

    def row(self, server: str) -> Registration:
        """Return the row of a server as it is now.

        Raises:
            UnavailableError: when it is unknown, disabled or not approved.
        """
        registration = self._means.registered(server)
        if registration is None:
            raise UnavailableError(Why.UNKNOWN)
        return registration

    def launch(self, slot: Slot, registration: Registration) -> Run:
        """Begin a process."""
        run = Run(registration, self._times, slot.tail, slot.hearer)
        run.begin(self._means.start, self._means.connect, self._turns.of(registration.name))
        return run

    def _runs(self) -> list[Run]:
        return [slot.run for slot in self.slots.values() if slot.run is not None]

    def _slot(self, registration: Registration, principal: Principal) -> Slot:
        name = registration.name
        party = everybody(name) if registration.shared else only(name, principal)
        slot = self.slots.get(party.key)
        if slot is None:
            self._forget_oldest()
            slot = self.slots[party.key] = Slot(party, self._means.hearer(party), self._times)
        return slot

    def _forget_oldest(self) -> None:
        """Forget the place that has been empty for longest: principals that come and go fill nothing."""
        empty = [slot for slot in self.slots.values() if not slot.is_needed]
        if len(empty) >= MOST_EMPTY:
            oldest = min(empty, key=lambda slot: slot.used)
            del self.slots[oldest.party.key]
