"""Write to one SQLite file from four processes: nobody is locked out, and revocations hold without pushes."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from tests.faults.bed import Bed, OrderFailed, Writer, bed
from tests.faults.client import bearer, read_state
from tests.faults.prober import probing
from tests.faults.process import scratch_folder
from tests.faults.report import Report
from tests.faults.revoked import Revoked, measure

OTHER_WRITERS = 3
PAUSE_SECONDS = 0.02

LOCKED_SECONDS = 14.0
"""How long somebody keeps the file from being written to: longer than any policy may be old."""


async def run(*, quick: bool) -> Report:
    """Measure with the counter and with the poll alone, then lock the file."""
    report = Report("sqlite", quick)
    count = 40 if quick else 500
    with scratch_folder() as folder:
        counted = await _write(report, "counter alone", folder / "counted", {"PUSH": False}, count, lanes=2)
        counted.promise_counted(report)
        alone = {"PUSH": False, "SHARED_COUNTER": False}
        polled = await _write(report, "poll alone", folder / "polled", alone, count, lanes=8)
        polled.promise_polled(report)
        await _lock(report, folder / "locked")
    return report


async def _write(
    report: Report, label: str, file: Path, guard: dict[str, Any], count: int, *, lanes: int
) -> Revoked:
    async with bed(f"sqlite:///{file}", guard=guard) as (made, writer):
        async with writing(made) as (written, failed):
            revoked = await measure(label, made, writer, count, report=report, lanes=lanes)
        errors = {(await read_state(port))["last_error"] for port in made.ports}
        locked = "locked" in made.logs()
    report.figures[f"{label}: changes by the other writers meanwhile"] = sum(written)
    report.promise(f"{label}: every writer wrote", held=all(written), found=written)
    report.promise(f"{label}: no writer failed", held=not failed, found=failed[:3])
    report.promise(f"{label}: no worker failed to read", held=errors == {""} and not locked, found=errors)
    return revoked


@asynccontextmanager
async def writing(made: Bed) -> AsyncIterator[tuple[list[int], list[str]]]:
    """Have other writers write all the time; yield how often each did, and what went wrong."""
    written, failed = [0] * OTHER_WRITERS, []
    await (await made.add_writer()).do("client", name="other")

    async def write(number: int, writer: Writer) -> None:
        while True:
            try:
                ((token, _),) = await writer.ask("issue", of="other")
                await writer.do("delete", token=token)
            except OrderFailed as error:
                failed.append(str(error))
            written[number] += 1
            await asyncio.sleep(PAUSE_SECONDS)

    writers = [await made.add_writer() for _ in range(OTHER_WRITERS)]
    tasks = [asyncio.create_task(write(*each)) for each in enumerate(writers)]
    try:
        yield written, failed
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _lock(report: Report, file: Path) -> None:
    """Keep everybody from writing, heartbeats too, for longer than policy may be old: reading goes on."""
    async with bed(f"sqlite:///{file}", servers=("daphne",)) as (made, writer):
        ((_, text),) = await writer.ask("issue", of="partner")
        with closing(sqlite3.connect(file, timeout=10)) as locking:
            locking.execute("BEGIN IMMEDIATE")
            with probing(made.ports, bearer(text)) as (prober,):
                await asyncio.sleep(LOCKED_SECONDS)
            locking.rollback()
    slowest = max(answer.seconds for answer in prober.answers)
    report.figures["locked: slowest answer, s"] = round(slowest, 3)
    statuses = prober.statuses
    report.promise("locked: whoever may is let in all the time", held=statuses == {200}, found=statuses)
    report.promise("locked: nobody waits for the lock", held=slowest < 1, found=slowest)
