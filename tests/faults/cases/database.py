"""Freeze PostgreSQL, silence it, drop its packets, kill it: who is let in meanwhile, and does it recover?"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.faults.bed import bed
from tests.faults.client import bearer, read_state
from tests.faults.outage import MAX_AGE, Outage, Watched, sleep_until, watched
from tests.faults.postgres import Postgres, postgres
from tests.faults.prober import probing
from tests.faults.process import scratch_folder
from tests.faults.proxy import proxy
from tests.faults.report import Report

LATE = "sent-when-policy-was-too-old"
"""The id of a message that must never reach the application."""


async def run(*, quick: bool) -> Report:
    """Make one outage after the other happen to a worker under load."""
    report = Report("database", quick)
    long = 14.0 if quick else 30.0
    with scratch_folder() as folder, postgres(folder) as database:
        server = database.child
        await _outage(report, "frozen", database.create("frozen"), long, server.freeze, server.thaw)
        await _silence(report, database, long)
        if can_drop_packets():
            with dropping(database.port) as (drop, let_through):
                await _outage(report, "dropped", database.create("dropped"), long, drop, let_through)
        for name, seconds in (("killed", 5.0 if quick else long), ("killed_for_a_moment", 2.0)):
            url = database.create(name)
            await _outage(report, name, url, seconds, database.child.kill, database.restart)
    return report


async def _outage(
    report: Report, name: str, url: str, seconds: float, begin: Callable[[], None], end: Callable[[], None]
) -> None:
    async with bed(url, servers=("daphne",)) as (made, writer), watched(made, writer) as found:
        began = time.monotonic()
        begin()
        await _wait(report, name, found, began, seconds)
        outage = Outage(name, began, time.monotonic())
        await asyncio.to_thread(end)
        outage.add_to(report, found)
        await outage.recovery(report, found)


async def _silence(report: Report, database: Postgres, seconds: float) -> None:
    """Cut the worker off behind a proxy that goes on accepting, while policy changes elsewhere."""
    name, place = "silent", database.create("silent")
    async with proxy(database.port) as between:
        url = database.url("silent", between.port)
        async with bed(url, servers=("daphne",)) as (made, writer), watched(made, writer) as found:
            elsewhere = await made.add_writer(DATABASE_URL=place)
            ((token, text),) = await writer.ask("issue", of="partner")
            with probing(made.ports, bearer(text), 0.05) as (victim,):
                await victim.until(lambda answer: answer.is_admitted, 10)
                began = time.monotonic()
                between.swallows = True
                revoked = await elsewhere.do("revoke", token=token)
                await _wait(report, name, found, began, seconds)
                between.swallows = False
                outage = Outage(name, began, time.monotonic())
                outage.add_to(report, found)
                await outage.recovery(report, found)
                await victim.until(lambda answer: answer.status == 401, 20)
    late = victim.admitted_after(revoked.returned + MAX_AGE + 0.1)
    report.promise(
        f"{name}: a token revoked elsewhere ends with the age limit", held=not late, found=len(late)
    )
    last = victim.answers[-1].status
    report.promise(f"{name}: and is refused for good afterwards", held=last == 401, found=last)


async def _wait(report: Report, name: str, found: Watched, began: float, seconds: float) -> None:
    """Let the outage go on; try the socket once policy is too old."""
    if seconds > MAX_AGE + 2:
        await sleep_until(began + MAX_AGE + 1.5)
        await found.socket.send(LATE)
        closed = await found.socket.ended(5)
        code = found.socket.code
        report.promise(f"{name}: an open socket refuses messages", held=closed and code == 4503, found=code)
        ran = (await read_state(found.worker.port))["ran"]
        report.promise(f"{name}: they do not reach the application", held=LATE not in ran, found=ran)
    await sleep_until(began + seconds)


def can_drop_packets() -> bool:
    """Return whether this machine lets us drop packets."""
    return os.geteuid() == 0 and shutil.which("iptables") is not None


@contextmanager
def dropping(port: int) -> Iterator[tuple[Callable[[], None], Callable[[], None]]]:
    """Yield what drops the packets of a port on the loopback interface, and what lets them through again."""
    rules = [
        ("INPUT", "-i", "lo", "-p", "tcp", side, str(port), "-j", "DROP") for side in ("--dport", "--sport")
    ]

    def change(action: str) -> None:
        for rule in rules:
            subprocess.run(["iptables", action, *rule], check=action == "-I", capture_output=True)

    try:
        yield lambda: change("-I"), lambda: change("-D")
    finally:
        change("-D")
