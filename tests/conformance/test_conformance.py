"""With the gate the conformance suite sees what it sees without, except that the attack is withstood."""

from __future__ import annotations

import httpx2
import pytest

from tests.conformance.comparison import COLUMNS, GUARDED, UNGUARDED, Column, Results, guarded_site, play
from tests.conformance.suite import REBINDING, SUITES

pytestmark = pytest.mark.node

PASSED = {"all": 43, "2025-11-25": 83, "2026-07-28": 167}
"""How many checks the server passes on its own under uvicorn; a run that saw less proves less."""

on_guarded = pytest.mark.parametrize(
    "column", [column for column in COLUMNS if column.mount != UNGUARDED], ids=" ".join
)
in_each_suite = pytest.mark.parametrize("suite", [suite.name for suite in SUITES])


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    return play(tmp_path_factory.mktemp("conformance"))


@on_guarded
@in_each_suite
def test_every_check_comes_out_as_without_the_gate(results, suite, column):
    guarded = dict(results[suite, column].scenarios)
    unguarded = dict(results[suite, Column(column.server, UNGUARDED)].scenarios)
    assert guarded.pop(REBINDING) != unguarded.pop(REBINDING)
    assert guarded == unguarded


@on_guarded
@in_each_suite
def test_a_foreign_host_is_refused_with_the_gate_alone(results, suite, column):
    rejected = "localhost-host-rebinding-rejected"
    unguarded = results[suite, Column(column.server, UNGUARDED)]
    assert (rejected, "FAILURE") in unguarded.scenarios[REBINDING]
    assert {status for _, status in results[suite, column].scenarios[REBINDING]} == {"SUCCESS"}
    assert (unguarded.exit_status, results[suite, column].exit_status) == (1, 0)


@pytest.mark.parametrize("column", COLUMNS, ids=" ".join)
@in_each_suite
def test_the_suite_saw_all_that_the_server_offers(results, suite, column):
    assert results[suite, column].passed >= PASSED[suite]


def test_the_suite_was_let_in_by_its_token_alone(tmp_path):
    with guarded_site("uvicorn", tmp_path) as base:
        for path in GUARDED.values():
            refused = httpx2.post(base + path, json={}, headers={"Authorization": "Bearer nonsense"})
            assert (refused.status_code, refused.json()["error"]["message"]) == (401, "Invalid token")
