"""The table against the pure rules."""

from __future__ import annotations

import pytest

from mcp_guard.policy.credential import NO_CREDENTIAL
from mcp_guard.policy.decision import Reason, Refused
from tests import table
from tests.policy import core, outcome, servers
from tests.rows.exchanges import bearer, post
from tests.rows.outcomes import MESSAGES, OF_BOUNDS, Opens, RefusesHandshake
from tests.rows.row import Row
from tests.rows.world import SERVER

ENDPOINTS = core.SNAPSHOT.endpoints
FIRST_MESSAGES = {
    name: row
    for name, row in table.SOCKETS.items()
    if isinstance(row.outcome, Opens) and row.outcome.awaits_message and core.first_message(row) is not None
}


@pytest.mark.parametrize("row", table.REQUESTS.values(), ids=table.REQUESTS)
def test_a_request_has_the_outcome_of_its_row(row: Row):
    decision = core.play(row)

    assert outcome.of_request(decision, ENDPOINTS[row.endpoint].endpoint) == row.outcome


@pytest.mark.parametrize("row", table.SOCKETS.values(), ids=table.SOCKETS)
def test_a_handshake_has_the_outcome_of_its_row(row: Row):
    judged = outcome.of_socket(core.play(row))

    if isinstance(row.outcome, RefusesHandshake):
        assert judged == row.outcome
    else:
        assert isinstance(row.outcome, Opens)
        assert (judged is None) is row.outcome.awaits_message
        assert judged is None or judged.client == (row.outcome.who.client if row.outcome.who else "")


@pytest.mark.parametrize("row", FIRST_MESSAGES.values(), ids=FIRST_MESSAGES)
def test_a_first_message_has_the_outcome_of_its_row(row: Row):
    assert isinstance(row.outcome, Opens)

    judged = outcome.of_socket(core.play_first_message(row))

    if row.outcome.who is None:
        assert row.outcome.closes is not None
        assert judged == RefusesHandshake(*row.outcome.closes)
    else:
        assert judged == row.outcome.who


@pytest.mark.parametrize("row", [*table.ROWS.values()][::7], ids=[*table.ROWS][::7])
def test_a_policy_too_old_refuses_everybody(row: Row):
    decision = core.play(row, age=10.01)

    assert decision == Refused(Reason.POLICY_TOO_OLD)


def test_an_endpoint_the_policy_does_not_know_refuses_everybody():
    head = core.read(post(bearer(SERVER)), ENDPOINTS["partner"].endpoint)

    assert core.settle("unheard-of", head, NO_CREDENTIAL) == Refused(Reason.GUARD_MISSING)


def test_every_reason_is_the_outcome_of_some_row():
    of_rows = {row.outcome.reason for row in table.ROWS.values() if hasattr(row.outcome, "reason")}
    closing = {
        row.outcome.closes[0]
        for row in table.SOCKETS.values()
        if isinstance(row.outcome, Opens) and row.outcome.closes
    }
    of_time_and_faults = {"authentication_timeout", "policy_too_old", "store_unreadable", "guard_missing"}
    of_servers = {reason.value for reason in servers.REASONS}
    of_ticket_desk = {"tickets_exhausted"}
    of_answers = {"list_unreadable"}

    assert (
        of_rows | closing | of_time_and_faults | of_servers | of_ticket_desk | of_answers | set(OF_BOUNDS)
        == {reason.value for reason in Reason}
        == set(MESSAGES)
    )
