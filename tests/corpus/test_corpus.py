"""The whole corpus against real servers."""

from __future__ import annotations

import pytest

from tests.corpus.__main__ import CASES, COMMAND, SERVERS
from tests.corpus.case import CaseFile
from tests.corpus.report import failures, summary
from tests.corpus.run import Run


@pytest.mark.parametrize("server", SERVERS)
def test_every_case_holds_on(server, tmp_path, record_property):
    file = CaseFile(CASES)
    run = Run(file, COMMAND, server, tmp_path)

    results = run.all(file.cases)

    record_property("summary", f"corpus on {server}: {summary(results)}")
    if failed := failures(results):
        pytest.fail("\n".join(failed), pytrace=False)
    skipped = {result.case.id for result in results if result.outcome == "skipped"}
    assert skipped == {case.id for case in file.cases if server in case.unreachable_on}
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
