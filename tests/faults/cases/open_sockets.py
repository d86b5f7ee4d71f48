"""Hold many sockets open in one process and disable their client: when is the last one closed?"""

from __future__ import annotations

import asyncio
import time

from tests.faults.bed import Worker, Writer, bed
from tests.faults.client import HttpClient, Socket, bearer
from tests.faults.postgres import postgres
from tests.faults.prober import probing
from tests.faults.process import scratch_folder
from tests.faults.report import Report, spread

AT_A_TIME = 20
"""How many handshakes are made at a time."""


async def run(*, quick: bool) -> Report:
    """Open sockets of one client and a few of another, and disable the one."""
    report = Report("sockets", quick)
    count = 100 if quick else 1000
    with scratch_folder() as folder, postgres(folder) as database:
        async with bed(database.create("site"), servers=("daphne", "daphne")) as (made, writer):
            guarded, plain = made.workers
            await _memory(report, "without a gate", plain, "/plain/ws", {}, count)
            await writer.do("client", name="other")
            ((_, other_text),) = await writer.ask("issue", of="other")
            kept = [await Socket.open(guarded.port, "/ws", bearer(other_text)) for _ in range(5)]
            ((_, text),) = await writer.ask("issue", of="partner")
            opened = await _memory(report, "guarded", guarded, "/ws", bearer(text), count)
            await _change(report, guarded, writer, opened)
            await _disable(report, guarded, writer, opened, kept, other_text)
    return report


async def _memory(
    report: Report, what: str, worker: Worker, path: str, headers: dict[str, str], count: int
) -> list[Socket]:
    """Open sockets and add what each of them costs."""
    first = [await Socket.open(worker.port, path, headers) for _ in range(5)]  # what the first one loads
    before = worker.child.resident_kib
    opened: list[Socket] = []
    began = time.monotonic()
    while len(opened) < count:
        some = min(AT_A_TIME, count - len(opened))
        opened += await asyncio.gather(*(Socket.open(worker.port, path, headers) for _ in range(some)))
    report.figures[f"{what}: handshakes per second"] = round(count / (time.monotonic() - began))
    each = (worker.child.resident_kib - before) / count
    report.figures[f"{what}: memory of an idle socket, KiB"] = round(each, 1)
    report.promise(f"{what}: every socket is open", held=not any(socket.ended_at for socket in opened))
    return first + opened


async def _change(report: Report, worker: Worker, writer: Writer, opened: list[Socket]) -> None:
    """Judge all of them again after a change that concerns none, and see how long that takes the process."""
    client = HttpClient(worker.port)
    await client.get("/state", {})
    await writer.do("issue", of="partner")
    answers = [await client.get("/state", {}) for _ in range(20)]
    client.close()
    report.figures["longest answer while all are judged again, s"] = round(max(a.seconds for a in answers), 3)
    ended = sum(bool(socket.ended_at) for socket in opened)
    report.promise("a change that concerns none of them closes none", held=not ended, found=ended)


async def _disable(
    report: Report, worker: Worker, writer: Writer, opened: list[Socket], kept: list[Socket], text: str
) -> None:
    with probing([worker.port], bearer(text), 0.05) as (bystander,):
        await bystander.until(lambda answer: answer.is_admitted, 10)
        done = await writer.do("disable", client="partner")
        await asyncio.gather(*(socket.ended(20) for socket in opened))
        await bystander.more(2)
    after = [socket.ended_at - done.committed if socket.ended_at else float("inf") for socket in opened]
    codes = {socket.code for socket in opened}
    report.figures["commit to closed socket, s"] = spread(after)
    report.promise("all of them are closed with 4401", held=codes == {4401}, found=codes)
    report.promise("the last one within 2 s", held=max(after) < 2, found=max(after))
    alive = not any(socket.ended_at for socket in kept)
    report.promise("those of another client stay open", held=alive)
    statuses = bystander.statuses
    report.promise("requests of another client are let in meanwhile", held=statuses == {200}, found=statuses)
    for socket in kept:
        socket.close()
