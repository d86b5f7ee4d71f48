"""Errands: what is slow or fails among them is nothing to the policy."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest
from django.db import connection

from mcp_guard.live.connection import OwnConnections
from mcp_guard.live.errands import REPEAT_SECONDS, Errands, Failing, errands
from mcp_guard.live.holder import holder

SECONDS = 5


@pytest.fixture
def own() -> Iterator[Errands]:
    own = Errands("test")
    yield own
    own.stop()


def test_an_errand_that_fails_keeps_no_other_from_running(own, db):
    ran = threading.Event()

    def fail() -> None:
        raise ConnectionError

    own.add(fail)
    own.add(ran.set)
    own.start()

    assert ran.wait(SECONDS)


def test_a_failure_is_said_at_first_then_now_and_then_and_when_it_is_over(caplog):
    caplog.set_level(logging.INFO, "mcp_guard.live")
    failing = Failing()

    def write() -> None: ...

    def seal() -> None: ...

    def said() -> list[tuple[str, str]]:
        found = [(each.levelname, each.getMessage().rpartition(".")[2]) for each in caplog.records]
        caplog.clear()
        return found

    failing.failed(write, ConnectionError("secret"), 0.0)
    assert said() == [("WARNING", "write failed: ConnectionError")]
    for now in (1.0, REPEAT_SECONDS - 1):
        failing.failed(write, ConnectionError(), now)
    assert said() == []
    failing.failed(seal, OSError(), 2.0)
    assert said() == [("WARNING", "seal failed: OSError")]
    failing.failed(write, ConnectionError(), REPEAT_SECONDS)
    assert said() == [("WARNING", "write failed: ConnectionError")]
    failing.succeeded(write)
    failing.succeeded(write)
    assert said() == [("WARNING", "write works again")]
    failing.failed(write, ConnectionError(), REPEAT_SECONDS + 1)
    assert said() == [("WARNING", "write failed: ConnectionError")]


def test_the_thread_warns_of_an_errand_that_fails_and_says_when_it_works(own, db, caplog):
    outcomes = iter([ConnectionError, None])

    def errand() -> None:
        if (outcome := next(outcomes)) is not None:
            raise outcome

    own.add(errand)
    own._run("")
    own._run("")
    levels = [(each.levelname, each.getMessage().rpartition(".")[2]) for each in caplog.records]
    assert levels == [("WARNING", "errand failed: ConnectionError"), ("WARNING", "errand works again")]


def test_an_errand_that_hangs_delays_no_read_of_policy(live_policy, monkeypatch):
    hangs, go_on = threading.Event(), threading.Event()

    def hang() -> None:
        hangs.set()
        go_on.wait(SECONDS)

    monkeypatch.setattr(errands, "_errands", [hang])
    try:
        holder.refresh()
        assert hangs.wait(SECONDS)

        for _ in range(5):
            holder.refresh()

        assert holder.age < SECONDS
        assert not go_on.is_set()
    finally:
        go_on.set()


def test_there_is_nothing_to_cut_before_there_is_a_connection():
    OwnConnections().cut()


def test_a_connection_without_a_network_is_not_cut(db):
    own = OwnConnections()
    own.take()

    own.cut()

    with connection.cursor() as cursor:
        assert cursor.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize(
    ("outcomes", "stays"),
    [([True], True), ([None], False), ([True, None], True), ([True, ConnectionError], False)],
)
def test_a_connection_is_kept_only_for_who_needs_it_again(own, db, monkeypatch, outcomes, stays):
    """Whoever looks every second would else connect every second."""
    closed: list[bool] = []
    monkeypatch.setattr("mcp_guard.live.errands.connections.close_all", lambda: closed.append(True))

    def errand(outcome):
        def run():
            if outcome is ConnectionError:
                raise ConnectionError
            return outcome

        return run

    for outcome in outcomes:
        own.add(errand(outcome))
    own._run("")

    assert closed == ([] if stays else [True])
