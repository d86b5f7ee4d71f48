"""docs/checks.md: every id of a check is there, under the heading that says when it runs, and no other id."""

from __future__ import annotations

import pytest

from mcp_guard.checks import IDS
from tests.docs.pages import ROOT, code, rows, section
from tests.operators.test_checks import FOR_DEPLOYMENT

PAGE = ROOT / "docs" / "checks.md"
HEADINGS = ("Errors", "Warnings", "Warnings of `check --deploy`")
FOUND = {heading: [code(row[0]) for row in rows(section(PAGE, heading))] for heading in HEADINGS}


def test_every_id_stands_there_once():
    documented = [name for names in FOUND.values() for name in names]

    assert sorted(documented) == sorted(IDS)


@pytest.mark.parametrize("heading", HEADINGS)
def test_every_row_has_a_cause_and_a_remedy(heading):
    assert all(len(row) == 3 and all(row) for row in rows(section(PAGE, heading)))


def test_errors_and_warnings_stand_apart():
    assert all(name.startswith("mcp_guard.E") for name in FOUND["Errors"])
    assert all(name.startswith("mcp_guard.W") for heading in HEADINGS[1:] for name in FOUND[heading])


def test_the_tables_have_an_order():
    assert all(names == sorted(names) for names in FOUND.values())


def test_what_is_said_to_be_for_deployment_is():
    said = {name.removeprefix("mcp_guard.") for name in FOUND[HEADINGS[2]]}

    assert said == FOR_DEPLOYMENT | {"W007", "W010", "W022", "W042"}
