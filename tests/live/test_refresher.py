"""The thread that reads policy: who waits for which read, and that nobody waits for long."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from mcp_guard.live import refresher
from mcp_guard.live.refresher import Refresher

SECONDS = 5


class Reads:
    """Reads that go on until they are let go."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.may_end = threading.Semaphore(0)
        self.interrupted = threading.Event()
        self.refresher = Refresher(
            "reads",
            self._read,
            interval=lambda: 60.0,
            ended=lambda: None,
            interrupt=self.interrupted.set,
        )

    def _read(self, source: str) -> None:
        self.begun.release()
        self.may_end.acquire(timeout=SECONDS)

    async def has_begun(self) -> None:
        assert await asyncio.to_thread(self.begun.acquire, timeout=SECONDS)


@pytest.fixture
def reads() -> Iterator[Reads]:
    reads = Reads()
    yield reads
    reads.may_end.release(100)
    reads.refresher.stop()


async def test_who_asks_during_a_read_waits_for_the_next_one(reads):
    first = asyncio.create_task(reads.refresher.wait_async())
    await reads.has_begun()
    second = asyncio.create_task(reads.refresher.wait_async())
    await asyncio.sleep(0)
    reads.may_end.release()
    await asyncio.wait_for(first, SECONDS)

    await reads.has_begun()
    assert not second.done()

    reads.may_end.release()
    await asyncio.wait_for(second, SECONDS)


async def test_a_thread_that_asks_during_a_read_waits_for_the_next_one(reads):
    first = asyncio.create_task(asyncio.to_thread(reads.refresher.wait))
    await reads.has_begun()
    second = asyncio.create_task(asyncio.to_thread(reads.refresher.wait))
    await asyncio.to_thread(_until_two_have_asked, reads.refresher)
    reads.may_end.release()
    await asyncio.wait_for(first, SECONDS)

    await reads.has_begun()
    assert not second.done()

    reads.may_end.release()
    await asyncio.wait_for(second, SECONDS)


def _until_two_have_asked(refresher: Refresher) -> None:
    with refresher._condition:
        assert refresher._condition.wait_for(lambda: refresher._asked == 2, SECONDS)


async def test_who_gave_up_is_forgotten(reads, monkeypatch):
    monkeypatch.setattr(refresher, "WAIT_SECONDS", 0.01)

    await asyncio.gather(*(reads.refresher.wait_async() for _ in range(50)))

    assert not reads.refresher._waiters


async def test_nobody_waits_again_for_a_read_that_hangs(reads, monkeypatch):
    monkeypatch.setattr(refresher, "WAIT_SECONDS", 0.2)
    await reads.refresher.wait_async()
    waited = asyncio.get_running_loop().time()

    for _ in range(50):
        await reads.refresher.wait_async()

    assert asyncio.get_running_loop().time() - waited < 0.2


async def test_the_event_loop_runs_while_somebody_waits(reads):
    waiting = asyncio.create_task(reads.refresher.wait_async())
    await reads.has_begun()

    turns = 0
    for _ in range(100):
        await asyncio.sleep(0)
        turns += 1

    assert turns == 100
    assert not waiting.done()
    reads.may_end.release()
    await asyncio.wait_for(waiting, SECONDS)


async def test_a_thread_that_was_stopped_starts_again(reads):
    reads.may_end.release(100)
    await reads.refresher.wait_async()
    reads.refresher.stop()
    assert not reads.refresher.is_running

    await reads.refresher.wait_async()

    assert reads.refresher.is_running


def test_a_loop_that_was_closed_stops_nobody(reads):
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(reads.refresher.wait_async())
    loop.run_until_complete(asyncio.sleep(0))
    assert reads.begun.acquire(timeout=SECONDS)
    assert reads.refresher._waiters
    waiting.cancel()
    loop.close()
    reads.may_end.release(100)

    reads.refresher.wait()

    assert reads.refresher.is_running


async def test_a_read_that_hangs_is_interrupted(reads, monkeypatch):
    waiting = asyncio.create_task(reads.refresher.wait_async())
    await reads.has_begun()
    reads.refresher.interrupt_if_hanging()
    assert not reads.interrupted.is_set()

    monkeypatch.setattr(refresher, "HANGS_AFTER", 0.0)
    reads.refresher.interrupt_if_hanging()

    assert reads.interrupted.is_set()
    reads.may_end.release(100)
    await waiting
    reads.interrupted.clear()
    reads.refresher.interrupt_if_hanging()
    assert not reads.interrupted.is_set()


async def test_after_a_slow_read_nobody_waits_until_one_was_quick(reads, monkeypatch):
    monkeypatch.setattr(refresher, "WAIT_SECONDS", 0.05)
    await reads.refresher.wait_async()
    await asyncio.sleep(0.05)  # the read began later than the wait for it
    reads.may_end.release()
    reads.refresher.nudge("test")
    for _ in range(2):
        await reads.has_begun()

    assert reads.refresher._patience() == 0

    monkeypatch.setattr(refresher, "WAIT_SECONDS", SECONDS)
    reads.may_end.release(100)
    await reads.refresher.wait_async()
    await reads.refresher.wait_async()
    assert reads.refresher._patience() == SECONDS
