"""Freeze the store of the sessions alone: tokens go on, what lives by a session ends with the age limit."""

from __future__ import annotations

import asyncio
import time

from tests.faults.bed import Bed, Writer, bed
from tests.faults.client import Socket, bearer
from tests.faults.outage import LISTED, MAX_AGE
from tests.faults.postgres import postgres
from tests.faults.prober import probing
from tests.faults.process import scratch_folder
from tests.faults.redis import Redis, redis
from tests.faults.report import Report, spread

ASKING_SECONDS = 7.0
"""How long it takes until sockets that are doubted are closed: two polls, and the wait for the store."""


async def run(*, quick: bool) -> Report:
    """Keep sessions in a Redis and freeze it for longer than anything may be old."""
    report = Report("sessions", quick)
    with scratch_folder() as folder, postgres(folder) as database, redis(folder) as store:
        async with bed(database.create("site"), servers=()) as (made, _):
            await made.add_worker(FAULTS_SESSIONS_IN_REDIS=store.url)
            writer = await made.add_writer(FAULTS_SESSIONS_IN_REDIS=store.url)
            await _freeze(report, made, writer, store, 17.0 if quick else 40.0)
    return report


async def _freeze(report: Report, made: Bed, writer: Writer, store: Redis, seconds: float) -> None:
    (worker,) = made.workers
    ((_, text),) = await writer.ask("issue", of="partner")
    await writer.do("origin", name=LISTED, of="partner", cookies=True)
    session = await writer.ask("login", user=await writer.ask("user"))
    cookie = {"Cookie": f"sessionid={session}", "Origin": LISTED}
    with (
        probing([worker.port], bearer(text)) as (by_token,),
        probing([worker.port] * 8, cookie, 0.05, "/pages/call") as by_session,
    ):
        for prober in (by_token, *by_session):
            await prober.until(lambda answer: answer.is_admitted, 20)
        socket = await Socket.open(worker.port, "/pages/ws", cookie)
        kept = await Socket.open(worker.port, "/ws", bearer(text))
        threads = worker.child.threads
        began = time.monotonic()
        store.child.freeze()
        await asyncio.sleep(seconds)
        ended = time.monotonic()
        most = worker.child.threads
        store.child.thaw()
        back = [
            await prober.until(lambda answer: answer.is_admitted and answer.sent > ended, 20)
            for prober in by_session
        ]
    during = [a for p in by_session for a in p.answers if began + 0.1 < a.sent and a.received < ended]
    report.figures["answers by session, s"] = spread([answer.seconds for answer in during])
    report.figures["answers by token, s"] = spread([answer.seconds for answer in by_token.answers])
    report.figures["threads"] = {"before": threads, "at the end": most}
    statuses = by_token.statuses
    report.promise("by token whoever may is let in all the time", held=statuses == {200}, found=statuses)
    slow = max(answer.seconds for answer in by_token.answers)
    report.promise("no token waits for the store", held=slow < 1, found=slow)
    wrong = {answer.status for answer in during} - {503}
    report.promise("by session nobody is let in", held=not wrong, found=wrong)
    slow = max(answer.seconds for answer in during)
    report.promise("no session waits for longer than 4 s", held=slow < 4, found=slow)
    _promise_sockets(report, socket, kept, began)
    report.promise("no threads pile up", held=most <= threads + 4, found=(threads, most))
    report.promise("sessions are let in again when the store is back", held=None not in back)


def _promise_sockets(report: Report, socket: Socket, kept: Socket, began: float) -> None:
    after = socket.ended_at - began if socket.ended_at else float("inf")
    report.figures["socket by session closed after, s"] = round(after, 2)
    held = after < MAX_AGE + ASKING_SECONDS and socket.code == 4503
    report.promise(
        "a socket by session ends with the age limit", held=held, found=(round(after, 2), socket.code)
    )
    report.promise("a socket by token stays", held=not kept.ended_at)
    for each in (socket, kept):
        each.close()
