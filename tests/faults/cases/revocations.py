"""Revoke tokens from a third process while two workers serve: how long does each go on letting them in?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.faults.bed import bed
from tests.faults.client import bearer
from tests.faults.lanes import Seen, revoke_all
from tests.faults.postgres import postgres
from tests.faults.prober import probing
from tests.faults.process import scratch_folder
from tests.faults.redis import redis
from tests.faults.report import Report, spread

PUSH, PUSH_ALONE, POLL = "push and counter", "push alone", "poll alone"


async def run(*, quick: bool) -> Report:
    """Measure with everything on, with pushes alone, and with the poll alone."""
    report = Report("revocations", quick)
    count = 40 if quick else 1000
    with scratch_folder() as folder, postgres(folder) as database, redis(folder) as layer:
        for label, guard, url, lanes in (
            (PUSH, {}, layer.url, 2),
            (PUSH_ALONE, {"SHARED_COUNTER": False}, layer.url, 2),
            (POLL, {"SHARED_COUNTER": False, "PUSH": False}, "", 8),
        ):
            place = database.create(f"site{len(report.figures)}")
            await _measure(report, label, place, url, guard, count, lanes)
    _promise_push(report, PUSH, quick=quick)
    _promise_push(report, PUSH_ALONE, quick=quick)
    _promise_poll(report)
    return report


async def _measure(
    report: Report, label: str, database: str, layer: str, guard: Mapping[str, Any], count: int, lanes: int
) -> None:
    async with bed(database, redis=layer, guard=guard) as (made, writer):
        tokens = await writer.ask("issue", of="partner", count=count + 1)
        with probing(made.ports, bearer(tokens.pop()[1]), 0.05) as bystanders:
            seen = await revoke_all(writer, made.ports, tokens, lanes=lanes, pause=0.005 * lanes)
            statuses = set().union(*(prober.statuses for prober in bystanders))
    _add(report, label, seen)
    report.promise(
        f"{label}: a token that is not revoked is always let in", held=statuses == {200}, found=statuses
    )


def _add(report: Report, label: str, seen: list[Seen]) -> None:
    refused = [each.refused_after for each in seen]
    closed = [each.closed_after for each in seen]
    late = [moment for each in seen for moment in each.admitted_late]
    report.figures[f"{label}: commit to first refused request, s"] = spread(refused)
    report.figures[f"{label}: commit to closed socket, s"] = spread(closed)
    report.figures[f"{label}: admitted requests sent after the commit returned"] = {
        "n": len(late),
        "latest, s": round(max(late, default=0.0), 4),
    }
    codes = {each.code for each in seen}
    report.promise(f"{label}: every socket is closed with 4401", held=codes == {4401}, found=codes)
    again = sum(each.admitted_again for each in seen)
    report.promise(f"{label}: once refused, never admitted again", held=again == 0, found=again)


def _promise_push(report: Report, label: str, *, quick: bool) -> None:
    share, what = ("p50", "median") if quick else ("p99", "p99")
    refused = report.figures[f"{label}: commit to first refused request, s"]
    closed = report.figures[f"{label}: commit to closed socket, s"]
    late = report.figures[f"{label}: admitted requests sent after the commit returned"]["n"]
    report.promise(f"{label}: {what} to refusal below 0.25 s", held=refused[share] < 0.25, found=refused)
    report.promise(f"{label}: {what} to close below 0.25 s", held=closed[share] < 0.25, found=closed)
    slowest = max(refused["max"], closed["max"])
    report.promise(f"{label}: slowest below 2 s", held=slowest < 2, found=slowest)
    if label == PUSH:
        report.promise(
            f"{label}: none is admitted that began after the commit returned", held=late == 0, found=late
        )


def _promise_poll(report: Report) -> None:
    for what in ("first refused request", "closed socket"):
        found = report.figures[f"{POLL}: commit to {what}, s"]
        report.promise(f"{POLL}: p99 to {what} below 1.3 s", held=found["p99"] < 1.3, found=found)
        report.promise(f"{POLL}: slowest to {what} below 2 s", held=found["max"] < 2, found=found)
