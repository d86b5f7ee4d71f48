"""The peers' own cases: complete, judged as the peers judge them, and all in the documentation."""

from __future__ import annotations

import pytest

from tests import table
from tests.peers import ask, page
from tests.peers.case import Case, Mark, Peer
from tests.peers.cases import PEERS, ROWS, Cases

CASES = [pytest.param(of.peer, case, id=f"{of.peer.name} | {case.rule}") for of in PEERS for case in of.cases]


@pytest.mark.django_db  # Channels closes old connections when a consumer ends
@pytest.mark.parametrize(("peer", "case"), CASES)
def test_the_peer_does_what_its_test_wants(peer: Peer, case: Case):
    asked, wanted = ask.ask(peer, case), case.theirs

    assert asked._replace(varies=wanted.varies) == wanted
    assert asked.varies >= wanted.varies  # a later version may tell caches more


@pytest.mark.parametrize(("peer", "case"), CASES)
def test_a_difference_has_a_reason_and_nothing_else_has(peer: Peer, case: Case):
    assert bool(case.reason) is (case.mark is not Mark.SAME)


@pytest.mark.parametrize(("peer", "case"), CASES)
def test_the_gate_lets_in_no_more_than_the_peer(peer: Peer, case: Case):
    ours, theirs = case.ours, case.theirs

    assert ours.runs <= theirs.runs
    assert ours.page <= theirs.page
    assert ours.credentials <= theirs.credentials
    assert ours.varies


@pytest.mark.parametrize("of", PEERS, ids=lambda of: of.peer.name)
def test_every_test_of_the_peer_is_accounted_for(of: Cases):
    asked = {case.test for case in of.cases}

    assert not asked & of.others.keys()
    assert len(asked | of.others.keys()) == of.peer.tests


def test_every_case_is_a_row_that_the_doors_play():
    assert {id(row) for row in ROWS} <= {id(row) for row in table.ROWS.values()}


def test_the_documentation_is_what_the_cases_say():
    assert page.PAGE.read_text("utf-8") == page.text(), "run python -m tests.peers"
