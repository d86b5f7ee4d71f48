"""The whole corpus against real servers."""

from __future__ import annotations

import pytest

from tests.corpus.__main__ import CASES, COMMAND, SERVERS
from tests.corpus.case import CaseFile
from tests.corpus.report import failures, summary
from tests.corpus.run import Run

NOT_PLAYED = {
    **dict.fromkeys(
        ["mcp-002", "mcp-006", "mcp-007", "mcp-009"], "plain views get no agreement of MCP headers and body"
    ),
    **dict.fromkeys(
        [f"nonce-{number:03}" for number in (1, 2, 4, 5, 7, 8, 9, 11, 17, 20)], "the site asks for no nonce"
    ),
    "ws-message-043": "messages are not limited by their rate",
}
"""Cases about what the site does not offer, each with the reason."""


@pytest.mark.parametrize("server", SERVERS)
def test_every_case_holds_on(server, tmp_path, capsys):
    file = CaseFile(CASES)
    run = Run(file, COMMAND, server, tmp_path)

    results = run.all(file.cases, NOT_PLAYED)

    with capsys.disabled():
        print(f"\ncorpus on {server}: {summary(results)}")
    if failed := failures(results):
        pytest.fail("\n".join(failed), pytrace=False)
    skipped = {result.case.id for result in results if result.outcome == "skipped"}
    assert skipped == {
        case.id for case in file.cases if case.id in NOT_PLAYED or server in case.unreachable_on
    }
    assert run.remarks == []


@pytest.mark.services
def test_changes_of_policy_reach_open_sockets_on_postgresql(postgres_server, tmp_path):
    file = CaseFile(CASES)
    cases = [case for case in file.cases if case.changes_state or case.policy in ("admin", "null-listed")]
    run = Run(file, f"{COMMAND} --postgres {postgres_server}", "uvicorn", tmp_path)

    results = run.all(cases)

    if failed := failures(results):
        pytest.fail("\n".join(failed), pytrace=False)
    assert {result.outcome for result in results} == {"passed"}


def test_cases_have_distinct_ids_in_known_policies():
    file = CaseFile(CASES)

    assert len({case.id for case in file.cases}) == len(file.cases) >= 816
    assert {case.policy for case in file.cases} <= file.policies.keys()
    assert {case.expected for case in file.cases} == {"refuse", "allow", "ignored"}
