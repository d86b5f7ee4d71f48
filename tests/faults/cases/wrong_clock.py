"""Run workers whose clocks are a minute fast and slow: tokens begin and expire by the database's clock."""

from __future__ import annotations

import asyncio
import time

from tests.faults.bed import Writer, bed
from tests.faults.client import Socket, bearer
from tests.faults.postgres import postgres
from tests.faults.prober import Prober, probing
from tests.faults.process import scratch_folder
from tests.faults.report import Report

CLOCKS = {"right": "0", "fast": "60", "slow": "-60"}
SECONDS = 4.0
"""How long a token lives on in the test, or is awaited."""

EARLY_SECONDS = 0.5
LATE_SECONDS = 0.3
"""How far the moment may be missed: what a read of the database's clock may take."""


async def run(*, quick: bool) -> Report:
    """Have one token expire and another one begin under every clock."""
    report = Report("clock", quick)
    with scratch_folder() as folder, postgres(folder) as database:
        async with bed(database.create("site"), servers=()) as (made, writer):
            for shift in CLOCKS.values():
                await made.add_worker(FAULTS_CLOCK=shift)
            for _ in range(1 if quick else 5):
                await _expire(report, made.ports, writer)
                await _begin(report, made.ports, writer)
    return report


async def _expire(report: Report, ports: list[int], writer: Writer) -> None:
    ((token, text),) = await writer.ask("issue", of="partner")
    with probing(ports, bearer(text)) as probers:
        for prober in probers:
            await prober.until(lambda answer: answer.is_admitted, 10)
        sockets = [await Socket.open(port, "/ws", bearer(text)) for port in ports]
        moment = time.monotonic() + SECONDS
        await writer.do("expire", token=token, seconds=SECONDS)
        await asyncio.sleep(SECONDS + 1)
        for name, prober, socket in zip(CLOCKS, probers, sockets, strict=True):
            _promise_end(report, name, prober, moment)
            await socket.ended(5)
            off = socket.ended_at - moment
            report.promise(
                f"{name} clock: the socket is closed when its token expires",
                held=socket.code == 4401 and -EARLY_SECONDS < off < 2 * LATE_SECONDS,
                found=(socket.code, round(off, 3)),
            )


def _promise_end(report: Report, name: str, prober: Prober, moment: float) -> None:
    late = prober.admitted_after(moment + LATE_SECONDS)
    early = [a for a in prober.answers if not a.is_admitted and a.received < moment - EARLY_SECONDS]
    report.promise(f"{name} clock: nobody is let in by an expired token", held=not late, found=len(late))
    report.promise(f"{name} clock: no token expires early", held=not early, found=len(early))
    report.promise(f"{name} clock: it does expire", held=prober.answers[-1].status == 401)


async def _begin(report: Report, ports: list[int], writer: Writer) -> None:
    ((_, text),) = await writer.ask("issue", of="partner", valid_in=SECONDS)
    moment = time.monotonic() + SECONDS
    with probing(ports, bearer(text)) as probers:
        await asyncio.sleep(SECONDS + 1.5)
        for name, prober in zip(CLOCKS, probers, strict=True):
            early = [a for a in prober.answers if a.is_admitted and a.received < moment - EARLY_SECONDS]
            last = prober.answers[-1].status
            report.promise(f"{name} clock: no token begins early", held=not early, found=len(early))
            report.promise(f"{name} clock: it does begin", held=last == 200, found=last)
