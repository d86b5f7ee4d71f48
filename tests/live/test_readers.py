"""Threads that read from stores that may hang: bounded in number, in waiting, and in patience."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest
from django.db import OperationalError, connection

from mcp_guard.live import readers as module
from mcp_guard.live.readers import Readers, TooManyReads

SECONDS = 10


class Hanging:
    """A read that ends only once it is let go."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.begun = threading.Semaphore(0)

    def __call__(self) -> str:
        self.begun.release()
        self.go_on.wait(SECONDS)
        return "read"

    def has_begun(self, times: int) -> bool:
        return all(self.begun.acquire(timeout=SECONDS) for _ in range(times))


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    hanging = Hanging()
    yield hanging
    hanging.go_on.set()


@pytest.fixture
def readers(hanging, monkeypatch) -> Iterator[Readers]:
    monkeypatch.setattr(module, "QUEUED", 10)
    readers = Readers("readers", 0.05)
    yield readers
    hanging.go_on.set()
    readers.stop()


def test_what_is_read_comes_back(readers):
    assert readers.read(lambda: "read") == "read"


async def test_what_is_read_comes_back_to_an_event_loop(readers):
    assert await readers.aread(lambda: "read") == "read"


def test_what_is_raised_comes_back(readers):
    with pytest.raises(LookupError):
        readers.read(lambda: {}["missing"])


def test_nobody_waits_for_longer_than_the_bound(readers, hanging):
    began = time.monotonic()

    with pytest.raises(TimeoutError):
        readers.read(hanging)

    assert time.monotonic() - began < 1


async def test_nobody_waits_on_an_event_loop_for_longer_than_the_bound(readers, hanging):
    with pytest.raises(TimeoutError):
        await readers.aread(hanging)


def fill(readers: Readers, hanging: Hanging, count: int) -> None:
    """Have so many reads wait or run."""
    readers.bound = 3600.0
    for _ in range(count):
        readers._submit(hanging)


def test_more_than_may_wait_are_refused_at_once(readers, hanging):
    fill(readers, hanging, 10)

    with pytest.raises(TooManyReads):
        readers.read(hanging)


def test_never_more_threads_than_may_read(readers, hanging):
    fill(readers, hanging, 10)
    assert hanging.has_begun(module.THREADS)

    assert not hanging.begun.acquire(blocking=False)
    assert len(readers._threads) == module.THREADS
    assert all(thread.daemon for thread in readers._threads)


def test_while_all_threads_hang_nobody_waits_at_all(readers, hanging, monkeypatch):
    fill(readers, hanging, module.THREADS)
    assert hanging.has_begun(module.THREADS)
    for place in readers._threads.values():
        place.since -= 3601.0

    with pytest.raises(TooManyReads):
        readers.read(hanging)

    hanging.go_on.set()
    readers.stop()
    assert readers.read(lambda: "read") == "read"


def test_what_nobody_waits_for_is_not_read(readers, hanging):
    fill(readers, hanging, module.THREADS)
    assert hanging.has_begun(module.THREADS)
    readers.bound = 0.05
    read = []

    with pytest.raises((TimeoutError, TooManyReads)):
        readers.read(lambda: read.append(1))

    hanging.go_on.set()
    readers.bound = SECONDS
    readers.stop()
    assert read == []


def test_who_gave_up_makes_room_again_only_when_its_turn_has_come(readers, hanging):
    """Else a store that hangs would collect reads that nobody waits for."""
    fill(readers, hanging, module.THREADS)
    assert hanging.has_begun(module.THREADS)
    futures = [readers._submit(hanging) for _ in range(10 - module.THREADS)]
    for future in futures:
        future.cancel()

    with pytest.raises(TooManyReads):
        readers._submit(hanging)

    hanging.go_on.set()
    readers.bound = SECONDS
    readers.stop()
    assert readers.read(lambda: "read") == "read"


class Cut:
    """Connections that note that they were cut."""

    def __init__(self) -> None:
        self.count = 0

    def cut(self) -> None:
        self.count += 1


def test_a_read_that_hangs_is_interrupted(readers, hanging, monkeypatch):
    fill(readers, hanging, 1)
    assert hanging.has_begun(1)
    (busy,) = [place for place in readers._threads.values() if place.since]
    for place in readers._threads.values():
        place.own = Cut()
    readers.interrupt_if_hanging()
    assert busy.own.count == 0

    busy.since -= module.HANGS_AFTER
    readers.interrupt_if_hanging()

    assert [place.own.count for place in readers._threads.values() if place is not busy] == [0, 0, 0]
    assert busy.own.count == 1


def open_connection() -> None:
    """Open the connection of the thread that this runs on."""
    connection.ensure_connection()


def test_a_connection_that_has_died_is_made_again(readers, transactional_db, monkeypatch):
    monkeypatch.setattr(module, "THREADS", 1)
    readers.bound = SECONDS
    readers.read(open_connection)
    failures = iter([OperationalError("the connection is lost")])

    def read() -> str:
        for failure in failures:
            assert connection.connection is not None
            raise failure
        assert connection.connection is None
        return "read"

    assert readers.read(read) == "read"


def test_a_database_that_is_gone_is_not_asked_twice(readers, transactional_db):
    asked = []

    def read() -> None:
        asked.append(1)
        raise OperationalError("there is no database")

    readers.bound = SECONDS
    with pytest.raises(OperationalError):
        readers.read(read)

    assert len(asked) == 1


def test_an_idle_thread_keeps_no_connection(readers, transactional_db, monkeypatch):
    monkeypatch.setattr(module, "THREADS", 1)
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.01)
    readers.bound = SECONDS
    closed = threading.Event()
    close_all = module.connections.close_all
    monkeypatch.setattr(module.connections, "close_all", lambda: [close_all(), closed.set()])
    readers.read(open_connection)

    assert closed.wait(SECONDS)


async def test_the_event_loop_runs_while_somebody_waits(readers, hanging):
    readers.bound = SECONDS
    waiting = asyncio.create_task(readers.aread(hanging))
    await asyncio.to_thread(hanging.has_begun, 1)

    assert not waiting.done()
    hanging.go_on.set()
    assert await waiting == "read"
