"""Every client works on every mount in every era; see docs/clients.md."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.clients.bed import Bed
from tests.clients.job import Job, Seen
from tests.clients.matrix import CELLS, WORKS, Cell, Matrix, play, table, verdict
from tests.conftest import chromium_path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "clients.md"


@pytest.fixture(scope="module")
def matrix(tmp_path_factory) -> Matrix:
    return play(tmp_path_factory.mktemp("matrix"), chromium_path())


@pytest.mark.browser
@pytest.mark.node
@pytest.mark.parametrize("cell", CELLS, ids=" ".join)
def test_the_client_works(matrix, cell):
    assert matrix[cell] == WORKS


@pytest.mark.browser
@pytest.mark.node
def test_the_page_has_the_matrix(matrix):
    assert "\n".join(table(matrix)) in PAGE.read_text("utf-8")


JOB = Job("http://127.0.0.1", "auto", label="here")
ALL = Seen("2026-07-28", ["add"], 5, "partner", "E: Insufficient scope", [[1, 2, "here"]])


@pytest.fixture
def bed(tmp_path, monkeypatch) -> Bed:
    monkeypatch.setattr("tests.clients.bed.SECONDS", 0.1)
    log = tmp_path / "events"
    log.write_text("cancelled here\n")
    return Bed("daphne", 1, "http://localhost", {}, log)


def test_a_visit_that_saw_all_of_it_is_said_to_work(bed):
    assert verdict(bed, JOB, ALL) == WORKS


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": "2025-11-25"}, "it speaks 2025-11-25"),
        ({"tools": []}, "it lists []"),
        ({"sum": None}, "two and three make None"),
        ({"caller": "nobody"}, "the caller is nobody"),
        ({"forbidden": None}, "refused is None"),
        ({"progress": []}, "the progress is []"),
        ({"error": "E: gone"}, "it ended with E: gone"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_visit_that_missed_something_is_said_to_have_missed_it(bed, change, said):
    assert verdict(bed, JOB, replace(ALL, **change)) == said


def test_a_tool_that_was_not_cancelled_or_ran_forbidden_is_told(bed):
    bed.log.write_text("forbidden\n")
    assert verdict(bed, JOB, ALL) == "the tool did not hear that it was left; the forbidden tool ran"


def test_no_cell_is_there_twice():
    assert len(set(CELLS)) == len(CELLS) == 60
    assert Cell("chromium", "daphne", "socket", "legacy") in CELLS
