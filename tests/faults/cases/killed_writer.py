"""Kill the writer at random points of a revocation: what was committed holds everywhere, and nothing else."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.faults.bed import Bed, Writer, bed
from tests.faults.client import bearer
from tests.faults.postgres import postgres
from tests.faults.prober import Prober, probing
from tests.faults.process import scratch_folder
from tests.faults.report import Report, spread

BOUND_SECONDS = 2.0
"""After how long a committed revocation holds, whatever died: the poll, and time to spare."""

LONGEST_SECONDS = 0.04
"""Within how long a writer is killed; a revocation takes less on an idle machine."""


async def run(*, quick: bool) -> Report:
    """Kill a writer in every round, with everything on and with the poll alone."""
    report = Report("writer", quick)
    rounds = 5 if quick else 100
    alone: dict[str, Any] = {"PUSH": False, "SHARED_COUNTER": False}
    with scratch_folder() as folder, postgres(folder) as database:
        for name, guard in (("everything", {}), ("poll_alone", alone)):
            async with bed(database.create(name), guard=guard) as (made, writer):
                (await _kill(Killed(name), made, writer, rounds)).add_to(report)
    return report


@dataclass
class Killed:
    """What was seen of the rounds."""

    label: str
    last_marks: Counter[str] = field(default_factory=Counter)
    revoked: int = 0
    refused_after: list[float] = field(default_factory=list)
    late: int = 0
    wrong: list[set[int]] = field(default_factory=list)

    def add_to(self, report: Report) -> None:
        label = self.label
        report.figures[f"{label}: last mark before the end"] = dict(self.last_marks)
        report.figures[f"{label}: revocations that were committed"] = self.revoked
        report.figures[f"{label}: end of the writer to refused request, s"] = spread(self.refused_after)
        report.promise(
            f"{label}: none is admitted beyond {BOUND_SECONDS} s", held=not self.late, found=self.late
        )
        slowest = max(self.refused_after, default=0.0)
        report.promise(f"{label}: every committed one holds", held=slowest < BOUND_SECONDS, found=slowest)
        report.promise(f"{label}: no other one is refused", held=not self.wrong, found=self.wrong)
        report.promise(f"{label}: some were committed", held=self.revoked > 0, found=self.revoked)


async def _kill(killed: Killed, made: Bed, writer: Writer, rounds: int) -> Killed:
    for number, (token, text) in enumerate(await writer.ask("issue", of="partner", count=rounds)):
        with probing(made.ports, bearer(text), 0.02) as probers:
            for prober in probers:
                await prober.until(lambda answer: answer.is_admitted, 10)
                prober.answers.clear()
            after = random.uniform(0.0, LONGEST_SECONDS) if number % 3 else None
            marks, dead_at = await writer.ask("revoke_and_die", token=token, after=after)
            killed.last_marks[(marks or ["forked"])[-1]] += 1
            await asyncio.sleep(0.2)  # a commit that was on its way when its sender died still arrives
            if await writer.ask("is_revoked", token=token):
                killed.revoked += 1
                for prober in probers:
                    await _expect_refusal(killed, prober, dead_at)
            else:
                for prober in probers:
                    await prober.more(3)
                killed.wrong += [prober.statuses for prober in probers if prober.statuses != {200}]
    return killed


async def _expect_refusal(killed: Killed, prober: Prober, dead_at: float) -> None:
    refused = await prober.until(lambda answer: answer.status == 401, 3 * BOUND_SECONDS)
    await prober.more(2)
    killed.refused_after.append(max(0.0, refused.received - dead_at) if refused else float("inf"))
    killed.late += len(prober.admitted_after(dead_at + BOUND_SECONDS))
