"""Flood a process in every way its clients can, and see what others notice and what it takes in memory."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from dataclasses import dataclass
from typing import Any, Final

from tests.faults.bed import Bed, Worker, bed
from tests.faults.client import HttpClient, Socket, bearer
from tests.faults.prober import Prober
from tests.faults.process import ROOT, scratch_folder
from tests.faults.report import Report, percentile

KIB_PER_SOCKET: Final = 256
"""How much memory a connection may take at most, in KiB, where the server lets the guard bound it."""

FIRST_KIB: Final = 6 * 1024
"""What the first connections of a kind load, whatever comes after them, in KiB; many of them share it."""

RECOVERY_SECONDS: Final = 60.0
"""How long it is waited for a process to be ready for the next flood."""

SEND_SECONDS: Final = 3
FAILURES: Final = 30
LIMITS: Final = {
    "send_seconds": SEND_SECONDS,
    "first_message_seconds": 2,
    "body_seconds": 2,
    "sockets_per_principal": 10_000,
    "calls_per_principal": 10_000,
    "streams_per_principal": 10_000,
}
GUARD: Final = {
    "ENDPOINTS": {
        "tools": {"profile": "token", "missing_origin": {"ws": "bearer"}, "limits": LIMITS},
        "pages": {"profile": "partner", "missing_origin": {"ws": "bearer"}},
    },
    "FAILURES_PER_ADDRESS": FAILURES,
}


@dataclass(frozen=True)
class Flood:
    """One way to flood: how many connections, in the long and in the short form, for how many seconds."""

    kind: str
    count: int
    quick: int
    seconds: float = 12
    quick_seconds: float = 6
    ends: tuple[str, ...] = ()
    """What may become of a connection or request."""

    presents: bool = True
    """Whether it presents the token."""

    bounded_on: tuple[str, ...] = ("daphne", "uvicorn")
    """Where the memory of a connection is bounded."""


FLOODS: Final = (
    Flood("silent", 1000, 100, 10, 3, ends=("still open",)),
    Flood("silent", 1000, 100, 22, 5, ends=("closed 4401",), presents=False),
    Flood("fast", 50, 30, ends=("still open", "closed 4429", "closed dropped", "dropped")),
    Flood(
        "tiny",
        5,
        2,
        ends=("closed 4400", "closed 4429", "closed dropped", "dropped"),
        bounded_on=("daphne",),
    ),
    Flood("unread_stream", 30, 5, 25, 10, ends=("dropped",)),
    Flood("unread", 50, 5, 30, 20, ends=("dropped", "still open"), bounded_on=("uvicorn",)),
    Flood("bombs", 4, 2, 10, 3, ends=("400", "413"), bounded_on=()),
    Flood("bombs_of_sockets", 4, 2, 10, 3, ends=("closed 4400", "closed 4413", "dropped"), bounded_on=()),
    Flood("slow_heads", 200, 40, 12, 4, ends=("still open", "ended 408", "dropped")),
    Flood("slow_bodies", 200, 40, 12, 5, ends=("still open", "ended 408", "dropped")),
    Flood("failures", 8, 4, 10, 3, ends=("401", "429"), presents=False, bounded_on=()),
)
"""In this order, against one process of each server."""


async def run(*, quick: bool) -> Report:
    """Flood Daphne and uvicorn."""
    report = Report("bounds", quick)
    if quick:  # figures of two that run side by side are worth less, promises are not
        await asyncio.gather(
            *(_flood_server(report, server, quick=quick) for server in ("daphne", "uvicorn"))
        )
    else:
        for server in ("daphne", "uvicorn"):
            await _flood_server(report, server, quick=quick)
    return report


async def _flood_server(report: Report, server: str, *, quick: bool) -> None:
    with scratch_folder() as folder:
        file = f"sqlite:///{folder / 'db.sqlite3'}"
        async with bed(file, guard=GUARD, servers=()) as (made, writer):
            grants = ["tools/call:slow", "tools/call:long"]
            ((_, text),) = await writer.ask("grant", of="partner", grants=grants)
            await _flood(report, server, made, text, quick=quick)


async def _flood(report: Report, server: str, made: Bed, text: str, *, quick: bool) -> None:
    worker = await made.add_worker(server, FAULTS_TOOLS="1")
    await _measured(report, f"{server}, before anybody floods", worker, text, asyncio.sleep(1))  # it warms up
    pause = asyncio.sleep(2 if quick else 10)
    calm = await _measured(report, f"{server}, quiet", worker, text, pause)
    for flood in FLOODS:
        if not quick:  # memory that one flood has freed would be what the next one takes
            worker.child.stop()
            worker = await made.add_worker(server, FAULTS_TOOLS="1")
            few = _make(flood, worker.port, text if flood.presents else "", 3, 4, {})  # what they all load
            await _measured(report, f"{server}, before {flood.kind}", worker, text, few)
        name = f"{server}, {flood.kind}" + ("" if flood.presents else " without a token")
        count = flood.quick if quick else flood.count
        seconds = flood.quick_seconds if quick else flood.seconds
        found: dict[str, int] = {}
        making = _make(flood, worker.port, text if flood.presents else "", count, seconds, found)
        taken = await _measured(report, name, worker, text, making)
        seconds_told = {key: found.pop(key) for key in ("seconds",) if key in found}
        each = max(0, taken.memory_kib - (FIRST_KIB if quick else 0)) / count
        report.figures[f"{name}: what came of it"] = {**found, **seconds_told}
        report.figures[f"{name}: memory of each connection at most, KiB"] = round(each, 1)
        report.promise(
            f"{name}: it ends as it should", held=found and set(found) <= {*flood.ends}, found=found
        )
        if server in flood.bounded_on:
            report.promise(f"{name}: memory is bounded", held=each <= KIB_PER_SOCKET, found=f"{each:.0f} KiB")
        report.promise(f"{name}: good calls are answered", held=taken.all_good, found=taken.statuses)
    report.figures[f"{server}: p99 of the quiet run, ms"] = calm.p99
    report.promise(f"{server}: the process is still there", held=worker.child.process.poll() is None)


@dataclass
class Taken:
    """What a flood took: memory beyond that before, and the answers to those who mean well."""

    memory_kib: int
    statuses: list[int]
    p99: float

    @property
    def all_good(self) -> bool:
        return self.statuses == [200]


async def _measured(report: Report, name: str, worker: Worker, text: str, making: Any) -> Taken:
    """Measure memory and good traffic while something goes on."""
    await _recovered(report, name, worker, text)
    good = Prober(worker.port, bearer(text), 0.02)
    socket = await Socket.open(worker.port, "/ws", bearer(text))
    before = peak = worker.child.resident_kib
    task = asyncio.ensure_future(making)
    number = 0
    while not task.done():
        await asyncio.wait([task], timeout=0.05)
        peak = max(peak, worker.child.resident_kib)
        number += 1
        await socket.send(str(number))
    await good.more(1)
    good.stop()
    await asyncio.sleep(0.05)
    report.figures[f"{name}: open socket kept"] = not socket.ended_at
    socket.close()
    await task
    seconds = [answer.seconds * 1000 for answer in good.answers]
    p50, p99 = round(percentile(seconds, 0.5), 1), round(percentile(seconds, 0.99), 1)
    report.figures[f"{name}: good calls"] = {"n": len(seconds), "p50 ms": p50, "p99 ms": p99}
    return Taken(peak - before, sorted(good.statuses), p99)


async def _recovered(report: Report, name: str, worker: Worker, text: str) -> None:
    """Wait until the process answers at once again, whatever came before."""
    client, began = HttpClient(worker.port), time.monotonic()
    while time.monotonic() - began < RECOVERY_SECONDS:
        if (await client.get("/call", bearer(text), wait=RECOVERY_SECONDS)).seconds < 1:
            break
    client.close()
    report.figures[f"{name}: seconds until the process was ready"] = round(time.monotonic() - began, 1)


async def _make(
    flood: Flood, port: int, text: str, count: int, seconds: float, found: dict[str, int]
) -> None:
    """Have a process of its own make a flood, and add what came of it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.flooding", flood.kind, str(port), text, str(count), str(seconds),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        output, _ = await asyncio.wait_for(process.communicate(), seconds + 90)
        found.update(json.loads(output))
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
