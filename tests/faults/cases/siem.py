"""Freeze, kill, break and slow down the collector of audit events, and kill the shipper at random points."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from tests.faults.bed import Bed, Writer, bed
from tests.faults.client import bearer
from tests.faults.postgres import postgres
from tests.faults.prober import Prober, probing
from tests.faults.process import Child, accepts, scratch_folder
from tests.faults.report import Report, percentile, spread
from tests.ports import free_port
from tests.siem.collector import Collector, certify

TIMEOUT: Final = 2
"""Seconds that a delivery may take; whoever is killed in one holds the lease 5 seconds longer."""

EVENTS: Final = 10
"""How many events are recorded at a time, a few times in a second."""

SLOWER: Final = 0.25
"""Seconds by which the 99th percentile of requests may differ, on a machine that does other things, too."""

WARM_UP_SECONDS: Final = 3.0
"""How long nothing is measured yet, while connections and caches are made."""

CATCH_UP_SECONDS: Final = 150.0


async def run(*, quick: bool) -> Report:
    """Do one after the other to the same site; everything that was recorded has to arrive in the end."""
    report = Report("siem", quick)
    seconds = 2.0 if quick else 60.0
    with scratch_folder() as folder, postgres(folder) as database:
        certify(folder)
        port = free_port()
        ship = {
            "url": f"https://127.0.0.1:{port}/events", "ca_file": str(folder / "ca.pem"),
            "timeout": TIMEOUT, "batch": 100,
        }  # fmt: skip
        guard = {"SHIP": {"siem": ship}}
        async with bed(database.create("siem"), guard=guard, servers=("daphne",)) as (made, writer):
            site = Site(made, writer, Collector(folder), port, report)
            try:
                async with _under_load(site):
                    await _go_through(site, seconds, kills=3 if quick else 25)
                await _add_up(site)
            finally:
                site.end()
    return report


@dataclass
class Site:
    """The site, its collector and its shipper, and what was seen of them."""

    made: Bed
    writer: Writer
    collector: Collector
    port: int
    report: Report
    probers: list[Prober] = field(default_factory=list)
    receiver: Child | None = None
    shipper: Child | None = None
    recorded: int = 0
    without: float = 0.0

    def receive(self) -> None:
        """Start the collector."""
        folder = str(self.collector.folder)
        command = [sys.executable, "-m", "tests.siem.collector", str(self.port), folder]
        self.receiver = Child(command, self.collector.folder / "collector.log")
        self.receiver.wait_until(lambda: accepts(self.port), 30)

    def ship(self) -> None:
        """Start the shipper."""
        command = [sys.executable, "-m", "django", "mcp_guard", "audit", "ship"]
        self.shipper = Child(command, self.made.folder / "shipper.log", environment=self.made.environment)

    def end(self) -> None:
        """End both."""
        for child in (self.shipper, self.receiver):
            if child is not None:
                child.stop()


@asynccontextmanager
async def _under_load(site: Site) -> AsyncIterator[None]:
    """Ask with a token all the time, and have events recorded all the time."""
    ((_, text),) = await site.writer.ask("issue", of="partner")
    with probing([site.made.workers[0].port] * 4, bearer(text), 0.02) as probers:
        for prober in probers:
            await prober.until(lambda answer: answer.is_admitted, 20)
        site.probers = probers
        recording = asyncio.create_task(_record(site))
        try:
            yield
        finally:
            recording.cancel()


async def _record(site: Site) -> None:
    while True:
        await asyncio.shield(site.writer.do("record", count=EVENTS))
        site.recorded += EVENTS
        await asyncio.sleep(0.2)


async def _go_through(site: Site, seconds: float, kills: int) -> None:
    collector = site.collector
    site.receive()
    assert site.receiver is not None
    await asyncio.sleep(WARM_UP_SECONDS)
    await _phase(site, "no shipper", lambda: asyncio.sleep(seconds), is_baseline=True)
    site.ship()
    await _phase(site, "collector takes", lambda: asyncio.sleep(seconds))
    await _phase(site, "two shippers", lambda: _ship_twice(site, seconds))
    receiver = site.receiver
    await _phase(site, "collector frozen", lambda: _between(receiver.freeze, receiver.thaw, seconds))
    await _phase(site, "collector killed", lambda: _between(receiver.kill, site.receive, seconds))
    for mode in ("500", "slow 1", "slow 60", "reset", "lose-some"):
        await _phase(site, f"collector: {mode}", lambda mode=mode: _mode(collector, mode, seconds))
    await _phase(site, "shipper killed at random", lambda: _kill_shippers(site, kills))


async def _ship_twice(site: Site, seconds: float) -> None:
    """Run a second shipper for the same destination; they take turns, so nothing is sent twice."""
    first, before = site.shipper, _taken(site)
    site.ship()
    second, site.shipper = site.shipper, first
    try:
        await asyncio.sleep(seconds)
    finally:
        assert second is not None
        await asyncio.to_thread(second.stop)
    twice = _events(before, _taken(site), 0)["twice"]
    site.report.promise("two shippers: nothing is sent twice", held=not twice, found=twice)


async def _between(begin: Callable[[], None], end: Callable[[], None], seconds: float) -> None:
    await asyncio.to_thread(begin)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(end)


async def _mode(collector: Collector, mode: str, seconds: float) -> None:
    collector.mode = mode
    await asyncio.sleep(seconds)
    collector.mode = "take"


async def _kill_shippers(site: Site, kills: int) -> None:
    """Kill one shipper after the other, mostly in the middle of a delivery; the next one comes at once."""
    site.collector.mode = "slow 0.8"
    for _ in range(kills):
        await asyncio.sleep(random.uniform(1.0, 9.0))
        assert site.shipper is not None
        await asyncio.to_thread(site.shipper.kill)
        site.ship()
    site.collector.mode = "take"


async def _phase(
    site: Site, name: str, happens: Callable[[], Awaitable[Any]], *, is_baseline: bool = False
) -> None:
    """Let something happen, wait until everything has arrived, and add what was seen of both."""
    report, began = site.report, time.monotonic()
    before, recorded = _taken(site), site.recorded
    await happens()
    ended = time.monotonic()
    if not is_baseline:
        arrived = await _arrived(site)
        report.figures[f"{name}: everything arrived after, s"] = round(arrived - ended, 1)
        caught_up = arrived < float("inf")
        report.promise(f"{name}: it catches up by itself", held=caught_up, found=arrived - ended)
    answers = [a for p in site.probers for a in p.answers if began <= a.sent < ended]
    statuses = {answer.status for answer in answers}
    times = [answer.seconds for answer in answers]
    report.figures[f"{name}: requests, s"] = spread(times)
    report.figures[f"{name}: events"] = _events(before, _taken(site), site.recorded - recorded)
    report.promise(f"{name}: every request is let in", held=statuses == {200}, found=statuses)
    if is_baseline:
        site.without = percentile(times, 0.99)
        return
    slower = percentile(times, 0.99) - site.without
    is_as_before = slower < max(SLOWER, site.without)
    report.promise(f"{name}: requests are not slowed, p99", held=is_as_before, found=f"{slower:+.4f} s")


def _taken(site: Site) -> list[int]:
    return [event["event"]["sequence"] for event in site.collector.taken]


def _events(before: list[int], after: list[int], recorded: int) -> dict[str, int]:
    doubles = (len(after) - len(set(after))) - (len(before) - len(set(before)))
    return {"recorded": recorded, "taken": len(after) - len(before), "twice": doubles}


async def _arrived(site: Site) -> float:
    """Wait until all that is recorded by now is taken, and return when it was; infinite if it never is."""
    deadline = time.monotonic() + CATCH_UP_SECONDS
    target, unsealed = await site.writer.ask("sealed")
    target += unsealed
    while time.monotonic() < deadline:
        watermark, _ = await site.writer.ask("shipped", destination="siem")
        if watermark >= target:
            return time.monotonic()
        await asyncio.sleep(0.2)
    return float("inf")


async def _add_up(site: Site) -> None:
    """Compare what the collector has with what the database has sealed, number by number."""
    while (await site.writer.ask("sealed"))[1]:  # noqa: ASYNC110 (another process changes it)
        await asyncio.sleep(0.5)
    await _arrived(site)
    last, _ = await site.writer.ask("sealed")
    taken = site.collector.taken
    numbers = [event["event"]["sequence"] for event in taken]
    lost = set(range(1, last + 1)) - set(numbers)
    ids = {event["event"]["id"] for event in taken}
    report = site.report
    report.figures["events sealed, taken, twice, lost"] = {
        "sealed": last, "taken": len(taken), "twice": len(taken) - len(set(numbers)), "lost": len(lost),
    }  # fmt: skip
    report.promise("no event is lost", held=not lost, found=len(lost))
    report.promise("each event has an id of its own", held=len(ids) == len(set(numbers)), found=len(ids))
    report.promise("what was recorded is sealed", held=last >= site.recorded, found=(last, site.recorded))
