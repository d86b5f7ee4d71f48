"""The table against the pure rules."""

from __future__ import annotations

import pytest

from tests import table
from tests.policy import core, outcome
from tests.rows.outcomes import Opens, RefusesHandshake
from tests.rows.row import Row

ENDPOINTS = core.SNAPSHOT.endpoints


@pytest.mark.parametrize("row", table.REQUESTS.values(), ids=table.REQUESTS)
def test_a_request_has_the_outcome_of_its_row(row: Row):
    decision = core.play(row)

    assert outcome.of_request(decision, ENDPOINTS[row.endpoint].endpoint) == row.outcome


@pytest.mark.parametrize("row", table.SOCKETS.values(), ids=table.SOCKETS)
def test_a_handshake_has_the_outcome_of_its_row(row: Row):
    judged = outcome.of_handshake(core.play(row))

    if isinstance(row.outcome, RefusesHandshake):
        assert judged == row.outcome
    else:
        assert isinstance(row.outcome, Opens)
        assert (judged is None) is row.outcome.awaits_message
        assert judged is None or judged.client == (row.outcome.who.client if row.outcome.who else "")
