"""Revoke tokens from a third process while two workers serve: how long does each go on letting them in?"""

from __future__ import annotations

from tests.faults.bed import bed
from tests.faults.postgres import postgres
from tests.faults.process import scratch_folder
from tests.faults.redis import redis
from tests.faults.report import Report
from tests.faults.revoked import measure

WITHOUT_COUNTER = {"SHARED_COUNTER": False}
POLL_ALONE = {"SHARED_COUNTER": False, "PUSH": False}


async def run(*, quick: bool) -> Report:
    """Measure with everything on, with pushes alone, and with the poll alone."""
    report = Report("revocations", quick)
    count = 40 if quick else 1000
    with scratch_folder() as folder, postgres(folder) as database, redis(folder) as layer:
        async with bed(database.create("everything"), redis=layer.url) as (made, writer):
            revoked = await measure("push and counter", made, writer, count, report=report)
            revoked.promise_pushed(report)
            revoked.promise_counted(report)
        async with bed(database.create("pushed"), redis=layer.url, guard=WITHOUT_COUNTER) as (made, writer):
            revoked = await measure("push alone", made, writer, count, report=report)
            revoked.promise_pushed(report)
        async with bed(database.create("polled"), guard=POLL_ALONE) as (made, writer):
            revoked = await measure("poll alone", made, writer, count, report=report, lanes=8)
            revoked.promise_polled(report)
    return report
