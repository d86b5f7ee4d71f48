"""Errands: what is slow or fails among them is nothing to the policy."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from django.db import connection

from mcp_guard.live.connection import OwnConnections
from mcp_guard.live.errands import Errands, errands
from mcp_guard.live.holder import holder

SECONDS = 5


@pytest.fixture
def own() -> Iterator[Errands]:
    own = Errands()
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
