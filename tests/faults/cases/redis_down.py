"""Freeze and kill Redis: pushes are lost, and nothing but the time of the poll is lost with them."""

from __future__ import annotations

import asyncio
import time

from tests.faults.bed import Bed, Writer, bed
from tests.faults.client import read_state
from tests.faults.postgres import postgres
from tests.faults.process import scratch_folder
from tests.faults.redis import Redis, redis
from tests.faults.report import Report
from tests.faults.revoked import measure

REJOIN_SECONDS = 12.0
"""Within how many seconds pushes are to arrive again after Redis has come back."""


async def run(*, quick: bool) -> Report:
    """Measure beside PostgreSQL, which pushes too, and on SQLite, where Redis is the only one that does."""
    report = Report("redis", quick)
    with scratch_folder() as folder, postgres(folder) as database, redis(folder) as layer:
        async with bed(database.create("site"), redis=layer.url) as (made, writer):
            count = 30 if quick else 1000
            for label, hit in (("frozen", layer.child.freeze), ("killed", layer.child.kill)):
                hit()
                revoked = await measure(f"Redis {label}, PostgreSQL", made, writer, count, report=report)
                revoked.promise_pushed(report)
                revoked.promise_counted(report)
    with scratch_folder() as folder, redis(folder) as layer:
        url = f"sqlite:///{folder / 'site.sqlite3'}"
        async with bed(url, redis=layer.url, guard={"SHARED_COUNTER": False}) as (made, writer):
            await _on_sqlite(report, layer, made, writer, 20 if quick else 200)
    return report


async def _on_sqlite(report: Report, layer: Redis, made: Bed, writer: Writer, count: int) -> None:
    (await measure("Redis up, SQLite", made, writer, count, report=report)).promise_pushed(report)
    layer.child.freeze()
    (await measure("Redis frozen, SQLite", made, writer, count, report=report, lanes=8)).promise_polled(
        report
    )
    layer.child.thaw()
    await _until_pushed(report, "thawed", made, writer)
    layer.child.kill()
    (await measure("Redis killed, SQLite", made, writer, count, report=report, lanes=8)).promise_polled(
        report
    )
    layer.restart()
    await _until_pushed(report, "restarted", made, writer)


async def _until_pushed(report: Report, what: str, made: Bed, writer: Writer) -> None:
    """Change policy until every worker has heard of a change by the channel layer again."""
    began, deaf = time.monotonic(), set(made.ports)
    while deaf and time.monotonic() < began + REJOIN_SECONDS:
        await writer.do("issue", of="partner")
        await asyncio.sleep(0.2)
        deaf -= {port for port in deaf if (await read_state(port))["source"] == "channel layer"}
    took = round(time.monotonic() - began, 1)
    report.figures[f"Redis {what}, SQLite: pushes arrive again after, s"] = took
    report.promise(f"Redis {what}, SQLite: pushes arrive again", held=not deaf, found=took)
