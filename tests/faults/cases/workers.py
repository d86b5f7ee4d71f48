"""Freeze and thaw a worker, fork workers from a parent that has read policy, run two loops in one process."""

from __future__ import annotations

import asyncio
import os
import signal

from tests.faults.bed import Bed, Writer, bed
from tests.faults.client import Answer, HttpClient, Socket, bearer, read_state
from tests.faults.postgres import Postgres, postgres
from tests.faults.prober import probing
from tests.faults.process import scratch_folder
from tests.faults.report import Report
from tests.faults.revoked import measure

POLL_ALONE = {"PUSH": False, "SHARED_COUNTER": False}


async def run(*, quick: bool) -> Report:
    """Do one after the other."""
    report = Report("workers", quick)
    count = 20 if quick else 300
    with scratch_folder() as folder, postgres(folder) as database:
        async with bed(database.create("polled"), guard=POLL_ALONE, servers=("daphne",)) as (made, writer):
            for _ in range(1 if quick else 5):
                await _freeze(report, "poll alone, frozen for 4 s", made, writer, 4.0)
        async with bed(database.create("counted"), servers=("daphne",)) as (made, writer):
            for _ in range(3 if quick else 20):
                await _freeze(report, "counter, frozen for 0.2 s", made, writer, 0.2)
        await _fork(report, database, count)
        await _run_two_loops(report, database, count)
    return report


async def _freeze(report: Report, name: str, made: Bed, writer: Writer, seconds: float) -> None:
    """Revoke a token while its worker is frozen; what waits in the worker's queues then is judged by that."""
    (worker,) = made.workers
    ((token, text),) = await writer.ask("issue", of="partner")
    with probing(made.ports, bearer(text)) as (prober,):
        await prober.until(lambda answer: answer.is_admitted, 10)
    socket = await Socket.open(worker.port, "/ws", bearer(text))
    clients = [HttpClient(worker.port) for _ in range(5)]
    labels = [f"{name} {token} {number}" for number in range(len(clients))]
    for client in clients:
        await client.get("/call", bearer(text))
    worker.child.freeze()
    await writer.do("revoke", token=token)
    await socket.send(f"{name} {token} message")
    asking = [
        asyncio.create_task(client.get("/call", {**bearer(text), "X-Label": label}))
        for client, label in zip(clients, labels, strict=True)
    ]
    await asyncio.sleep(seconds)
    worker.child.thaw()
    answers: list[Answer] = await asyncio.gather(*asking)
    await socket.ended(5)
    for client in clients:
        client.close()
    statuses = {answer.status for answer in answers}
    report.promise(f"{name}: whoever asked meanwhile is refused", held=statuses == {401}, found=statuses)
    report.promise(f"{name}: the socket is closed with 4401", held=socket.code == 4401, found=socket.code)
    ran = [each for each in (await read_state(worker.port))["ran"] if each.startswith(f"{name} {token}")]
    report.promise(f"{name}: nothing reached the application", held=not ran, found=ran)


async def _fork(report: Report, database: Postgres, count: int) -> None:
    """Fork workers from a parent with policy, connections and threads of its own; kill one of them."""
    name = "forked"
    async with bed(database.create(name), servers=()) as (made, writer):
        worker = await made.add_worker("gunicorn", FAULTS_WARM="1", HOME=str(made.folder))
        before = await _two_that_serve(worker.port)
        report.promise(f"{name}: two workers serve", held=len(before) == 2, found=before)
        (await measure(name, made, writer, count, report=report)).promise_counted(report)
        os.kill(min(before), signal.SIGKILL)
        await asyncio.sleep(1)
        served = await _two_that_serve(worker.port)
        is_replaced = len(served) == 2 and min(before) not in served
        report.promise(f"{name}: the one that was killed is replaced", held=is_replaced, found=served)
        again = await measure(f"{name} again", made, writer, count // 2, report=report)
        again.promise_counted(report)


async def _two_that_serve(port: int) -> set[int]:
    """Return the processes that answer on a port when many ask at once, giving a second one time to start."""
    found: set[int] = set()
    for _ in range(10):
        states = await asyncio.gather(*(read_state(port) for _ in range(60)))
        found = {state["pid"] for state in states}
        if len(found) == 2:
            break
        await asyncio.sleep(1)
    return found


async def _run_two_loops(report: Report, database: Postgres, count: int) -> None:
    async with bed(database.create("loops"), servers=()) as (made, writer):
        first = await made.add_worker("loops")
        made.workers.append(first._replace(port=first.port + 1))
        same = {(await read_state(port))["pid"] for port in made.ports}
        report.promise("two loops: in one process", held=len(same) == 1, found=same)
        revoked = await measure("two loops", made, writer, count, report=report)
        revoked.promise_counted(report)
        revoked.promise_pushed(report)
