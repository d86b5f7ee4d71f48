"""Watch a worker through an outage: requests by token and by session, and what a socket may still do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.faults.bed import Bed, Worker, Writer
from tests.faults.client import Socket, bearer
from tests.faults.prober import Prober, probing
from tests.faults.report import Report, spread

MAX_AGE = 10.0
"""Seconds for which policy that cannot be read again is good: the setting's default."""

POLL = 1.0

LISTED = "https://partner.example"


@dataclass
class Watched:
    """One worker under load. ``threads`` is filled in once a second."""

    worker: Worker
    by_token: list[Prober]
    by_session: list[Prober]
    socket: Socket
    threads: list[int] = field(default_factory=list)

    @property
    def probers(self) -> list[Prober]:
        return [*self.by_token, *self.by_session]


@asynccontextmanager
async def watched(made: Bed, writer: Writer) -> AsyncIterator[Watched]:
    """Put the first worker under load: several clients with a token, some with a session, one socket."""
    worker = made.workers[0]
    ((_, text),) = await writer.ask("issue", of="partner")
    await writer.do("origin", name=LISTED, of="partner", cookies=True)
    session = await writer.ask("login", user=await writer.ask("user"))
    cookie = {"Cookie": f"sessionid={session}", "Origin": LISTED}
    with (
        probing([worker.port] * 4, bearer(text), 0.05) as by_token,
        probing([worker.port] * 2, cookie, 0.1, "/pages/call") as by_session,
    ):
        for prober in (*by_token, *by_session):
            await prober.until(lambda answer: answer.is_admitted, 20)
        socket = await Socket.open(worker.port, "/ws", bearer(text))
        found = Watched(worker, by_token, by_session, socket)
        counting = asyncio.create_task(_count_threads(found))
        try:
            yield found
        finally:
            counting.cancel()
            socket.close()


async def _count_threads(found: Watched) -> None:
    while True:
        found.threads.append(found.worker.child.threads)
        await asyncio.sleep(1)


@dataclass
class Outage:
    """What was seen of one outage; the times are of the monotonic clock."""

    name: str
    began: float
    ended: float

    def add_to(self, report: Report, found: Watched) -> None:
        """Add the figures of the outage, and the promises that hold for each."""
        name, began = self.name, self.began
        during = [a for p in found.probers for a in p.answers if began <= a.sent < self.ended]
        refused = [answer.sent - began for answer in during if answer.status == 503]
        late = [answer for answer in during if answer.is_admitted and answer.sent > began + MAX_AGE + 0.1]
        by_token = [a for p in found.by_token for a in p.answers if began <= a.sent < self.ended]
        report.figures[f"{name}: answers by token, s"] = spread([answer.seconds for answer in by_token])
        report.figures[f"{name}: answers, s"] = spread([answer.seconds for answer in during])
        report.figures[f"{name}: first 503 by token after, s"] = _first(
            [a.sent - began for a in by_token if a.status == 503]
        )
        report.figures[f"{name}: first 503 after, s"] = _first(refused)
        statuses = {answer.status for answer in during}
        report.promise(f"{name}: nobody is let in by policy that is too old", held=not late, found=len(late))
        report.promise(f"{name}: every answer is 200 or 503", held=statuses <= {200, 503}, found=statuses)
        slowest = max((answer.seconds for answer in by_token), default=0.0)
        report.promise(f"{name}: no token waits for longer than 3 s", held=slowest < 3, found=slowest)
        self._add_threads(report, found)

    async def recovery(self, report: Report, found: Watched) -> None:
        """Wait until every client is let in again, and add how long that took."""
        for prober in found.probers:
            await prober.until(lambda answer: answer.is_admitted and answer.sent > self.ended, 60)
        firsts = [
            next((a.received for a in p.answers if a.is_admitted and a.sent > self.ended), float("inf"))
            for p in found.probers
        ]
        seconds = max(firsts) - self.ended
        report.figures[f"{self.name}: all let in again after, s"] = round(seconds, 2)
        report.promise(f"{self.name}: it recovers by itself", held=seconds < 15, found=seconds)

    def _add_threads(self, report: Report, found: Watched) -> None:
        before, most = found.threads[0], max(found.threads)
        report.figures[f"{self.name}: threads"] = {"before": before, "most": most}
        report.promise(f"{self.name}: no threads pile up", held=most <= before + 4, found=(before, most))


def _first(seconds: list[float]) -> float | None:
    return round(min(seconds), 2) if seconds else None


async def sleep_until(moment: float) -> None:
    """Sleep until a moment of the monotonic clock."""
    await asyncio.sleep(max(0.0, moment - time.monotonic()))
