"""The policy of a process follows what is committed, survives a dead database for a while, and no longer."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest
from django.db import OperationalError

from mcp_guard import changes, gate, testing
from mcp_guard.live import load
from mcp_guard.live.holder import holder
from mcp_guard.policy.decision import Admitted, Reason, Refused
from tests.live.heads import endpoint, head


def judge(issued: Any) -> Any:
    """Return what a request gets that may wait."""
    on = endpoint("notes")
    request = head(on, authorization=f"Bearer {issued.text}")
    return gate.settle(on, request, gate.judge(on, request))


@pytest.fixture
def issued(live_policy: None) -> Any:
    return testing.issue_token(testing.add_client(), "notes")


@pytest.fixture
def dead_database(issued: Any, monkeypatch: Any) -> Any:
    """Let every look at the database fail, after policy was read once."""
    assert isinstance(judge(issued), Admitted)

    def look(alias: str) -> None:
        raise OperationalError("the database is gone, and its password is hunter2")

    monkeypatch.setattr(load, "look", look)
    holder.refresh()  # a look that had begun before has ended
    return lambda seconds: monkeypatch.setattr(holder, "_read_at", time.monotonic() - seconds)


def test_the_first_request_reads_policy(issued: Any):
    holder.forget()
    assert (holder.snapshot.revision, holder.age) == (-1, float("inf"))

    assert isinstance(judge(issued), Admitted)
    assert holder.snapshot.revision >= 2


@pytest.mark.parametrize("inline", [True, False], ids=["inline", "by the thread"])
def test_a_change_of_this_process_counts_for_its_next_request(live_policy: None, inline: bool):  # noqa: FBT001
    holder.inline = inline
    try:
        issued = testing.issue_token(testing.add_client(), "notes")
        assert isinstance(judge(issued), Admitted)

        changes.revoke_token(testing.ACTOR, issued.token)

        assert holder.is_behind
        assert holder.age == float("inf")
        assert judge(issued).reason is Reason.TOKEN_REVOKED
        assert not holder.is_behind
    finally:
        holder.inline = False


def test_a_judgement_that_may_not_wait_says_that_it_must(issued: Any):
    on = endpoint("notes")
    changes.revoke_token(testing.ACTOR, issued.token)

    assert gate.judge(on, head(on)) == gate.AwaitsPolicy()


def test_a_request_that_finds_fresh_policy_asks_nothing(issued: Any, django_assert_num_queries: Any):
    judge(issued)

    with django_assert_num_queries(0):
        assert isinstance(judge(issued), Admitted)


def test_a_dead_database_leaves_the_policy_as_it_was(issued: Any, dead_database: Any):
    snapshot = holder.snapshot
    dead_database(9)

    assert holder.is_behind
    assert isinstance(judge(issued), Admitted)
    assert holder.snapshot is snapshot
    assert holder.failures >= 1


def test_a_database_that_stays_dead_refuses_everybody(issued: Any, dead_database: Any):
    dead_database(10.1)

    assert judge(issued) == Refused(Reason.POLICY_TOO_OLD)


def test_a_change_that_cannot_be_read_refuses_everybody(issued: Any, dead_database: Any):
    changes.add_client(testing.ACTOR, name="another")

    assert judge(issued) == Refused(Reason.POLICY_TOO_OLD)


def test_a_request_waits_for_a_dead_database_no_longer_than_it_may(issued: Any, dead_database: Any):
    dead_database(11)
    began = time.monotonic()

    judge(issued)

    assert time.monotonic() - began < 2.5


def test_the_log_of_a_failure_names_its_kind_and_keeps_its_text(issued: Any, dead_database: Any, caplog: Any):
    holder.failures = 0
    dead_database(3)
    judge(issued)

    assert "policy could not be read" in caplog.text
    assert "OperationalError" in caplog.text
    assert "hunter2" not in caplog.text


def test_a_database_that_comes_back_is_read_again(issued: Any, dead_database: Any, monkeypatch: Any):
    dead_database(11)
    assert judge(issued) == Refused(Reason.POLICY_TOO_OLD)

    monkeypatch.undo()
    holder.refresh()

    assert isinstance(judge(issued), Admitted)
    assert (holder.failures, holder.source) == (0, "request")


def test_time_is_the_databases(issued: Any, monkeypatch: Any):
    judge(issued)
    real = load.look
    monkeypatch.setattr(load, "look", lambda alias: real(alias)._replace(clock=4e9))
    holder.refresh()

    assert holder.now() == pytest.approx(4e9, abs=5)
    assert judge(issued).reason is Reason.TOKEN_EXPIRED


@pytest.mark.filterwarnings(
    "ignore:This process .* is multi-threaded:DeprecationWarning"
)  # which is the point
def test_a_forked_process_has_read_nothing(issued: Any):
    judge(issued)
    reader, writer = os.pipe()

    child = os.fork()
    if child == 0:  # the thread did not come along, so nothing that it read may be trusted
        try:
            found = f"{holder.snapshot.revision} {holder.age} {holder._refresher.is_running}"
            os.write(writer, found.encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    found = os.read(reader, 100)
    os.close(reader)

    assert found == b"-1 inf False"
    assert isinstance(judge(issued), Admitted)
