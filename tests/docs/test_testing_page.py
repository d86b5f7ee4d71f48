"""docs/testing.md: its tests pass in a project as the README assembles it, and they can fail."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys

import pytest

from mcp_guard import testing
from tests.docs.pages import ROOT, blocks, code, rows, section
from tests.docs.project import VIEW, assemble

PAGE = ROOT / "docs" / "testing.md"
PYTEST, UNITTEST = "pytest", "unittest"


def run(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT}:{folder}",
            "DJANGO_SETTINGS_MODULE": "mysite.settings",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with the tests of the page in it."""
    folder = tmp_path_factory.mktemp("site")
    assemble(folder, VIEW)
    shown = [block for block in blocks(PAGE) if block.language == "python"]
    assert [block.heading for block in shown] == [PYTEST, PYTEST, UNITTEST]
    for block, name in zip(shown, ("conftest.py", "test_notes.py", "test_units.py"), strict=True):
        assert block.heading == UNITTEST or f"`{name}`" in block.before
        (folder / name).write_text(block.text, "utf-8")
    return folder


def test_the_tests_of_the_page_pass_under_pytest(project):
    done = run(project, "pytest", "-q", "-p", "no:cacheprovider")

    assert done.returncode == 0, done.stdout + done.stderr
    count = len(re.findall(r"^ *(?:async )?def test_", "".join(b.text for b in blocks(PAGE)), re.MULTILINE))
    assert f"{count} passed" in done.stdout


def test_the_unittest_passes_under_djangos_runner(project):
    done = run(project, "django", "test", "test_units")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Ran 2 tests" in done.stderr


def test_every_name_is_documented_as_it_is_called():
    documented = {code(row[0]) for row in rows(section(PAGE, "What there is"))}
    names = {re.match(r"\w+", text)[0] for text in documented}

    public = {
        name
        for name, value in vars(testing).items()
        if callable(value) and getattr(value, "__module__", "") == testing.__name__ and name.islower()
    }
    assert names == public | {"mcp_guard_policy"}


@pytest.mark.parametrize("name", ["add_client", "list_origin", "grant_scope", "issue_token", "bearer"])
def test_parameters_are_those_of_the_function(name):
    [text] = [code(row[0]) for row in rows(section(PAGE, "What there is")) if row[0].startswith(f"`{name}(")]
    found = {}
    exec(f"def {text}: ...", found)

    documented = inspect.signature(found[name]).parameters.values()
    real = inspect.signature(getattr(testing, name)).parameters.values()
    assert [(p.name, p.kind, p.default) for p in documented] == [(p.name, p.kind, p.default) for p in real]
