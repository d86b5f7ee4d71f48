"""How a socket keeps to its limits, with the time passed in."""

from __future__ import annotations

import pytest

from mcp_guard.policy.decision import Reason
from mcp_guard.policy.limits import BURST_SECONDS, LONG_TEXT, Limits, weight
from mcp_guard.policy.pace import Pace

LIMITS = Limits(idle_seconds=100, socket_seconds=1000, send_seconds=10, messages_per_second=5)


def test_a_socket_may_send_as_many_messages_as_its_endpoint_says():
    pace = Pace(LIMITS, 0.0)

    assert [pace.take(0.0) for _ in range(5 * BURST_SECONDS + 1)] == [True] * 5 * BURST_SECONDS + [False]
    assert pace.take(0.2) is True


@pytest.mark.parametrize(
    ("now", "reason"),
    [(99.9, None), (100.0, Reason.SOCKET_IDLE), (1000.0, Reason.SOCKET_TOO_OLD)],
)
def test_a_silent_socket_is_closed(now, reason):
    assert Pace(LIMITS, 0.0).overdue(now) is reason


def test_a_message_either_way_keeps_a_socket_from_being_idle():
    pace = Pace(LIMITS, 0.0)
    pace.take(50.0)
    assert pace.overdue(149.0) is None

    pace.begin_send(140.0)
    pace.end_send(140.0)

    assert (pace.overdue(239.0), pace.overdue(240.0)) == (None, Reason.SOCKET_IDLE)


def test_a_socket_that_waits_for_a_call_is_not_idle_but_gets_old():
    pace = Pace(LIMITS, 0.0)
    pace.open_calls = 1

    assert (pace.overdue(500.0), pace.overdue(1000.0)) == (None, Reason.SOCKET_TOO_OLD)


def test_activity_keeps_no_socket_open_for_longer_than_it_may_be():
    pace = Pace(LIMITS, 0.0)
    pace.take(999.0)

    assert pace.overdue(1000.0) is Reason.SOCKET_TOO_OLD


def test_a_client_that_does_not_read_is_given_up_on():
    pace = Pace(LIMITS, 0.0)
    pace.begin_send(5.0)

    assert (pace.overdue(14.9), pace.overdue(15.0)) == (None, Reason.PEER_NOT_READING)


def test_a_client_that_reads_slowly_is_not():
    pace = Pace(LIMITS, 0.0)
    pace.begin_send(5.0)
    pace.begin_send(6.0)
    pace.end_send(14.0)

    assert (pace.overdue(23.9), pace.overdue(24.0)) == (None, Reason.PEER_NOT_READING)
    pace.end_send(24.0)
    assert pace.overdue(34.0) is None


def test_a_long_text_weighs_what_it_takes_once_it_is_read():
    words = "x" * LONG_TEXT

    assert (weight(""), weight("[]"), weight(words)) == (0, 2, LONG_TEXT)
    assert weight("[" + "[]," * LONG_TEXT + "0]") > 30 * LONG_TEXT
