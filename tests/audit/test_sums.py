"""Sums: a stranger can make the audit trail grow with time alone, and not one refusal is miscounted."""

from __future__ import annotations

import time

import pytest

from mcp_guard import gate
from mcp_guard.audit import events, sums
from mcp_guard.audit.events import Category, recorder
from mcp_guard.audit.sums import SECONDS, SINGLE
from mcp_guard.models import AuditEvent
from mcp_guard.policy.decision import Reason
from tests.live import heads

SENT = 500


@pytest.fixture
def endpoint(db):
    recorder.forget()
    sums.sums.forget()
    yield heads.endpoint("notes")
    recorder.forget()
    sums.sums.forget()


@pytest.fixture
def head(endpoint):
    return heads.head(endpoint, user_agent="robot", origin="https://evil.example")


def written():
    events.flush()
    return list(AuditEvent.objects.order_by("pk"))


def test_refusals_of_one_kind_are_one_event_with_their_count(endpoint, head):
    for _ in range(SENT):
        sums.refused(endpoint, head, Reason.ORIGIN_NOT_LISTED, "c" * 16)
    sums.refused(endpoint, head, Reason.ORIGIN_NOT_LISTED, "", "would_refuse")
    assert written() == []

    sums.sums.sum_up(time.monotonic() + SECONDS)

    refused, would = written()
    assert (refused.category, refused.tag, refused.outcome) == ("refusal", "refused", "origin_not_listed")
    assert (refused.count, refused.endpoint, refused.exchange) == (SENT, "notes", "request")
    assert refused.details == {"seconds": SECONDS}
    assert (would.tag, would.count) == ("would_refuse", 1)


def test_nothing_is_summed_up_before_its_time(endpoint, head):
    sums.refused(endpoint, head, Reason.ORIGIN_NOT_LISTED, "c" * 16)

    sums.sums.sum_up(time.monotonic() + SECONDS / 2)

    assert written() == []


def test_failed_authentications_are_recorded_one_by_one_up_to_the_rate_and_then_counted(endpoint, head):
    for number in range(SENT):
        sums.refused(endpoint, head, Reason.TOKEN_UNKNOWN, f"{number:016}")
    sums.sum_up_at_once()

    *singles, rest = written()
    assert len(singles) == SINGLE
    assert {row.category for row in (*singles, rest)} == {"authentication"}
    assert (singles[0].address, singles[0].user_agent, singles[0].outcome) == (
        "127.0.0.1",
        "robot",
        "token_unknown",
    )
    assert singles[1].correlation_id == f"{1:016}"
    assert sum(row.count for row in (*singles, rest)) == SENT


def test_the_rate_holds_anew_in_the_next_interval(endpoint, head):
    for _ in range(SENT):
        sums.refused(endpoint, head, Reason.TOKEN_UNKNOWN, "c" * 16)
    sums.sums.sum_up(time.monotonic() + SECONDS)
    sums.refused(endpoint, head, Reason.TOKEN_UNKNOWN, "d" * 16)

    assert written()[-1].correlation_id == "d" * 16


def test_what_the_gate_refuses_is_recorded_with_the_correlation_id_of_its_answer(endpoint, head):
    correlation_id = gate.note(endpoint, head, Reason.TOKEN_REVOKED)

    assert [(row.correlation_id, row.outcome) for row in written()] == [(correlation_id, "token_revoked")]


def test_categories_of_failures_are_those_of_presented_credentials():
    missing = Reason.CREDENTIAL_MISSING
    assert missing not in sums.FAILURES
    assert {reason for reason in Reason if reason.value.startswith("token_")} <= sums.FAILURES
    assert Category.AUTHENTICATION == "authentication"
