"""Flood a worker with random origins: rows stay bounded, every refusal is counted, good traffic goes on."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Awaitable
from typing import NamedTuple

import psycopg

from tests.faults.bed import Bed, Writer, bed
from tests.faults.client import Answer, bearer
from tests.faults.postgres import postgres
from tests.faults.prober import Prober, probing
from tests.faults.process import ROOT, scratch_folder
from tests.faults.report import Report, spread

SECONDS = 60.0
QUICK_SECONDS = 8.0
ROWS_PER_HOUR = 500
TURNS = 4
"""How often the three are measured, one after the other."""

SLOWER = 3.0
"""How much slower good traffic may be beside random origins than beside as fast a flood from one origin."""

SLACK = {True: 0.5, False: 0.1}
"""Seconds by which it may be slower besides: few requests were measured if it is to be quick."""

MOST_BYTES = 16 * 2**20
"""By how much the database may grow."""

STATE = """
SELECT coalesce(sum(count), 0)::bigint, count(*) FILTER (WHERE NOT is_rest), count(*) FILTER (WHERE is_rest),
       pg_total_relation_size('mcp_guard_refusal'), pg_database_size(current_database())
FROM mcp_guard_refusal
"""


class Stored(NamedTuple):
    """What the database holds: refusals counted, rows of groups and of rests, sizes in bytes."""

    counted: int
    groups: int
    rests: int
    table: int
    database: int


async def run(*, quick: bool) -> Report:
    """Measure good traffic alone, beside a flood from one origin, and beside one of random origins."""
    report, seconds = Report("flood", quick), QUICK_SECONDS if quick else SECONDS
    with scratch_folder() as folder, postgres(folder) as cluster:
        url = cluster.create("flood")
        async with bed(url) as (made, writer):
            await _measure(report, made, writer, url, seconds)
            refused = report.figures["requests refused"]
            for worker in made.workers:  # their last counts are written as they end
                worker.child.stop()
            after = _stored(url)
    report.figures["counted when the workers have ended"] = after.counted
    report.promise("every refusal is counted once", held=after.counted == refused, found=after)
    return report


async def _measure(report: Report, made: Bed, writer: Writer, url: str, seconds: float) -> None:
    ((_, text),) = await writer.ask("issue", of="partner")
    flooded, part = made.workers[0], seconds / TURNS
    alone, one, many = Phase(), Phase(), Phase()
    with probing(made.ports, bearer(text), pause=0.01) as probers:
        for prober in probers:
            await prober.until(lambda answer: answer.is_admitted, 10)
        before, memory = _stored(url), flooded.child.resident_kib
        for _ in range(TURNS):  # by turns, so that whatever else the machine does strikes all three
            await alone.add(probers, asyncio.sleep(part / 2))
            await one.add(probers, _flood(flooded.port, part / 2, "--same"))
            await many.add(probers, _flood(flooded.port, part))
        after = _stored(url)
    for name, phase in (("alone", alone), ("beside one origin", one), ("beside random origins", many)):
        report.figures[f"good requests {name}, s, at this worker"] = phase.flooded
        report.figures[f"good requests {name}, s, at the other worker"] = phase.other
    report.figures["worker grew, KiB"] = flooded.child.resident_kib - memory
    report.figures["requests refused"] = one.answered[403] + many.answered[403]
    report.figures["refused a second"] = {
        "one origin": round(one.answered[403] / (seconds / 2)),
        "random origins": round(many.answered[403] / seconds),
    }
    report.figures["rows"] = {"groups": after.groups, "rests": after.rests}
    report.figures["grew by bytes"] = {
        "table": after.table - before.table, "database": after.database - before.database
    }  # fmt: skip
    _promise(report, (alone, one, many), before, after)


class Phase:
    """What the flooder was answered, and the good requests meanwhile, at each of the two workers."""

    def __init__(self) -> None:
        self.answered: Counter[int] = Counter()
        self._good: tuple[list[Answer], list[Answer]] = ([], [])

    @property
    def flooded(self) -> dict[str, float]:
        """How long good requests took at the worker that is flooded."""
        return spread([answer.seconds for answer in self._good[0]])

    @property
    def other(self) -> dict[str, float]:
        """How long good requests took at the other worker."""
        return spread([answer.seconds for answer in self._good[1]])

    @property
    def statuses(self) -> set[int]:
        """How good requests were answered."""
        return {answer.status for answers in self._good for answer in answers}

    async def add(self, probers: list[Prober], meanwhile: Awaitable[Counter[int] | None]) -> None:
        """Take what happens while something goes on."""
        for prober in probers:
            prober.answers.clear()
        self.answered.update(await meanwhile or {})
        for prober, good in zip(probers, self._good, strict=True):
            good.extend(prober.answers)


async def _flood(port: int, seconds: float, *options: str) -> Counter[int]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.flooder", str(port), str(seconds), *options,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    return Counter({int(status): count for status, count in json.loads(out).items()})


def _promise(report: Report, phases: tuple[Phase, Phase, Phase], before: Stored, after: Stored) -> None:
    alone, one, many = phases
    statuses = alone.statuses | one.statuses | many.statuses
    report.promise("good requests are all let in", held=statuses == {200}, found=statuses)
    answered = dict(one.answered + many.answered)
    report.promise("the flood is refused with 403", held=set(answered) == {403}, found=answered)
    enough = many.answered[403] > 2 * after.groups
    report.promise("it has groups enough to be bounded", held=enough, found=many.answered[403])
    new, allowed = after.groups - before.groups, 2 * ROWS_PER_HOUR  # an hour may end meanwhile
    report.promise("new rows are bounded", held=0 < new <= allowed, found=new)
    grown = after.database - before.database
    report.promise("the database hardly grows", held=grown <= MOST_BYTES, found=f"{grown} bytes")
    for where, slow, base in (
        ("this worker", many.flooded, one.flooded), ("the other worker", many.other, one.other)
    ):  # fmt: skip
        held = slow["p99"] <= SLOWER * base["p99"] + SLACK[report.quick]
        found = f"p99 {slow['p99']} s, beside one origin {base['p99']} s"
        report.promise(f"random origins slow {where} no more than one origin does", held=held, found=found)


def _stored(url: str) -> Stored:
    with psycopg.connect(url) as connection:
        row = connection.execute(STATE).fetchone()
    assert row is not None
    return Stored(*row)
