"""The heartbeat: one row for each process, and no policy."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
from django.utils import timezone

from mcp_guard import testing
from mcp_guard.live import heartbeat as module
from mcp_guard.live.connections import connections
from mcp_guard.live.heartbeat import Heartbeat
from mcp_guard.live.holder import holder
from mcp_guard.models import ProcessState, Revision
from tests.live.connection import Noting

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture
def heartbeat() -> Heartbeat:
    return Heartbeat()


def test_a_beat_says_how_the_process_is(heartbeat):
    heartbeat.beat()

    state = ProcessState.objects.get()
    assert (state.pid, state.host) == (os.getpid(), os.uname().nodename)
    assert state.revision == 0
    assert timezone.now() - state.seen_at < timedelta(seconds=5)


def test_it_is_written_only_now_and_then_and_always_into_the_same_row(heartbeat, monkeypatch):
    heartbeat.beat()
    first = ProcessState.objects.get()
    heartbeat.beat()
    assert ProcessState.objects.get().seen_at == first.seen_at

    heartbeat._due -= module.SECONDS
    heartbeat.beat()

    assert ProcessState.objects.get().pk == first.pk
    assert ProcessState.objects.get().seen_at > first.seen_at


def test_a_beat_reads_nothing_before_it_writes(heartbeat, django_assert_max_num_queries):
    for first in ("INSERT", "UPDATE"):
        heartbeat._due = 0.0
        with django_assert_max_num_queries(3) as seen:
            heartbeat.beat()
        statements = [query["sql"].split()[0] for query in seen.captured_queries]
        assert set(statements) <= {"UPDATE", "INSERT", "DELETE"}
        assert first in statements


def test_a_heartbeat_raises_no_revision(heartbeat):
    testing.add_client()
    before = Revision.objects.get().n

    heartbeat.beat()

    assert Revision.objects.get().n == before


def test_a_process_that_was_silent_for_long_is_forgotten(heartbeat):
    heartbeat.beat()
    ProcessState.objects.update(seen_at=timezone.now() - module.FORGOTTEN_AFTER - timedelta(seconds=1))

    Heartbeat().beat()

    assert ProcessState.objects.count() == 1
    assert timezone.now() - ProcessState.objects.get().seen_at < timedelta(seconds=5)


def test_policy_that_was_never_read_is_old_but_not_infinitely(heartbeat):
    holder.forget()

    heartbeat.beat()

    assert ProcessState.objects.get().age == 1e6


def test_it_names_the_clients_with_the_most_connections(heartbeat, monkeypatch):
    monkeypatch.setattr(module, "MOST_CLIENTS", 2)
    open_connections = [Noting(client=name) for name in ("a", "b", "b", "c", "c", "c")]
    monkeypatch.setattr(connections, "_loops", dict.fromkeys(open_connections))

    heartbeat.beat()

    assert ProcessState.objects.get().connections == {"c": 3, "b": 2}


def test_a_test_that_reads_policy_inline_beats_not(heartbeat):
    with testing.policy_of_this_connection():
        heartbeat.beat()

    assert not ProcessState.objects.exists()


def test_a_forked_process_is_another_one(heartbeat):
    heartbeat.beat()
    heartbeat._reset()  # what is done in a child

    heartbeat.beat()

    assert ProcessState.objects.count() == 2
