"""One process of a registered server: from its start, over the calls it answers, to its end."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from mcp_guard.policy.registration import Registration
from mcp_guard.sandbox.box import Box
from mcp_guard.sandbox.command import CommandRefusedError
from mcp_guard.sandbox.confinement import ConfinementUnavailableError
from mcp_guard.sandbox.ended import Ended
from mcp_guard.servers.ends import End, Ending, UnavailableError, Why
from mcp_guard.servers.link import Connect, Hearer, Link
from mcp_guard.servers.tail import Tail, follow
from mcp_guard.servers.times import Times
from mcp_guard.servers.turns import Turn

LAST_WORDS_SECONDS: Final = 1.0
"""How long is read what a process that has ended left in its standard error."""

LOOK_SECONDS: Final = 1.0
"""How often is looked whether a process idles."""

DISCARD_BYTES: Final = 1024 * 1024
"""How much of it is read at once and dropped."""

MOST_SHOWN: Final = 200
"""How much is told of what a process says in place of an introduction, in characters."""

Start = Callable[[Registration, Tail], Awaitable[Box]]
"""Starts the command of a row in a box, and says what of its words may not be shown."""

logger = logging.getLogger(__name__)


class Run:
    """One process.

    ``ready`` holds the link once it speaks MCP, ``ended`` how it ended; ``quiet`` is set while no call runs.
    """

    def __init__(self, registration: Registration, times: Times, tail: Tail, hearer: Hearer) -> None:
        loop = asyncio.get_running_loop()
        self.registration = registration
        self.started = self.used = self._busy_since = time.monotonic()
        self.calls = 0
        self.quiet = asyncio.Event()
        self.quiet.set()
        self.pid = 0
        self.ready: asyncio.Future[Any] = loop.create_future()
        self.ended: asyncio.Future[Ending] = loop.create_future()
        self._stopping: asyncio.Future[Ending] = loop.create_future()
        self._times = times
        self._tail = tail
        self._hearer = hearer
        self._link: Link | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def is_ready(self) -> bool:
        """Whether it takes calls."""
        return self.ready.done() and not self.is_stopping

    @property
    def is_stopping(self) -> bool:
        """Whether it takes no more calls."""
        is_gone = self._link is not None and self._link.closed.done()
        return is_gone or self._stopping.done() or self.ended.done()

    @property
    def is_idle(self) -> bool:
        """Whether it could be stopped without anybody noticing."""
        return self.is_ready and self.calls == 0 and not self._hearer.is_subscribed

    def begin(self, start: Start, connect: Connect, turn: Turn) -> None:
        """Start it, in a task of its own that has nothing of the caller's context."""
        work = self._live(start, connect, turn)
        self._task = asyncio.get_running_loop().create_task(work, context=contextvars.Context())

    def stop(self, end: End) -> None:
        """Have it end; harmless when it does already."""
        if not (self._stopping.done() or self.ended.done()):
            self._stopping.set_result(Ending(end))

    def enter(self) -> None:
        """Count a call."""
        if not self.calls:
            self._busy_since = time.monotonic()
        self.calls += 1
        self.quiet.clear()

    def leave(self) -> None:
        """Count a call no more."""
        self.calls -= 1
        self.used = time.monotonic()
        if not self.calls:
            self.quiet.set()

    async def _live(self, start: Start, connect: Connect, turn: Turn) -> None:
        ending = Ending(End.FAILED)
        try:
            ending = await self._serve(start, connect, turn)
        except (CommandRefusedError, ConfinementUnavailableError) as error:
            ending = Ending(End.REFUSED, str(error))
        except TimeoutError:
            ending = Ending(End.NOT_STARTED, f"no answer within {self._times.start:g} s")
        except Exception as error:
            logger.exception("a process of %s failed", self.registration.name)
            ending = Ending(End.FAILED, type(error).__name__)
        finally:
            if not self.ready.done():
                self.ready.set_exception(UnavailableError(Why.NOT_STARTED))
                self.ready.exception()  # seen: there may be nobody left that waits
            self.ended.set_result(ending)

    async def _serve(self, start: Start, connect: Connect, turn: Turn) -> Ending:
        async with turn(), asyncio.timeout(self._times.start):
            if self._stopping.done():  # disabled, say, while it waited for its turn
                return self._stopping.result()
            box = await start(self.registration, self._tail)
        self.pid = box.pid
        reading = asyncio.create_task(follow(box.stderr, self._tail))
        exiting = asyncio.create_task(box.wait())
        ending = Ending(End.FAILED)
        try:
            async with connect(box, self._hearer, self._tail.note) as link:
                ending = await self._open_and_watch(link, exiting, turn)
        finally:
            left = await self._clear_away(box, exiting, reading)
        return _explained(ending, left)

    async def _open_and_watch(self, link: Link, exiting: asyncio.Task[Ended], turn: Turn) -> Ending:
        opening = asyncio.create_task(self._open(link, turn))
        try:
            waiting: set[asyncio.Future[Any]] = {opening, exiting, link.closed, self._stopping}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if self._stopping.done() or exiting.done() or link.closed.done():
                return self._why(link, exiting)
            await opening
        except TimeoutError:
            return Ending(End.NOT_STARTED, f"no answer within {self._times.start:g} s")
        except Exception as error:  # noqa: BLE001 (a process may answer anything)
            return Ending(End.NOT_STARTED, self._tail.without_secrets(str(error))[:MOST_SHOWN])
        finally:
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
        self.used = time.monotonic()
        self._link = link
        self.ready.set_result(link)
        return await self._watch(link, exiting)

    async def _open(self, link: Link, turn: Turn) -> None:
        async with turn(), asyncio.timeout(self._times.start):
            await link.open()

    async def _watch(self, link: Link, exiting: asyncio.Task[Ended]) -> Ending:
        """Return why it has to end."""
        asked = time.monotonic()
        while True:
            waiting: set[asyncio.Future[Any]] = {exiting, link.closed, self._stopping}
            done, _ = await asyncio.wait(waiting, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if done:
                return self._why(link, exiting)
            now = time.monotonic()
            if self.calls:
                asked = now
                if now - max(link.heard, self._busy_since) >= self._times.silent:
                    return Ending(End.HUNG, f"said nothing for {self._times.silent:g} s while calls ran")
            elif self.is_idle and now - self.used >= self.registration.idle_seconds:
                return Ending(End.IDLE)
            elif now - max(asked, self.used) >= self._times.ping_after:
                if not await self._answers(link):
                    return Ending(End.HUNG, f"no answer within {self._times.ping:g} s")
                asked = time.monotonic()

    async def _answers(self, link: Link) -> bool:
        try:
            async with asyncio.timeout(self._times.ping):
                await link.ping()
        except TimeoutError:
            return False
        except Exception:  # noqa: BLE001 (that it is gone is found out by those who wait for its end)
            return True
        return True

    def _why(self, link: Link, exiting: asyncio.Task[Ended]) -> Ending:
        if self._stopping.done():
            return self._stopping.result()
        if link.closed.done() and link.closed.result().end is not End.EXITED:
            return link.closed.result()
        return Ending(End.EXITED, "" if exiting.done() else "closed its standard output")

    async def _clear_away(
        self, box: Box, exiting: asyncio.Task[Ended], reading: asyncio.Task[None]
    ) -> Ended | None:
        """End the box, and return how it ended; None when nobody can say."""
        left: Ended | None = None
        try:
            left = await box.stop(self._times.grace)
        except Exception:
            logger.exception("a process of %s could not be ended in order", self.registration.name)
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                await asyncio.shield(reading)
        for task in (reading, exiting):
            task.cancel()
        await asyncio.gather(reading, exiting, return_exceptions=True)
        await asyncio.gather(_discard(box.stdout), _discard(box.stderr))
        return left


async def _discard(stream: asyncio.StreamReader) -> None:
    """Read what a process has left unread: its pipe is closed only then."""
    with suppress(TimeoutError, OSError):
        async with asyncio.timeout(LAST_WORDS_SECONDS):
            while await stream.read(DISCARD_BYTES):
                pass


def _explained(ending: Ending, left: Ended | None) -> Ending:
    """Return an ending with what the box says about it."""
    if left is None:
        return ending
    if left.violation is not None:
        end = ending.end if ending.is_orderly else End.VIOLATION
        return Ending(end, left.detail, left.violation.value)
    if ending.end is End.EXITED:
        return Ending(End.EXITED, f"{ending.detail}, {left.detail}".removeprefix(", "))
    return ending
