"""The README: its commands are one line each, and its snippets work when they are copied."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import django
import pytest

from tests.docs.pages import ROOT
from tests.docs.project import SERVER, VARIANTS, assemble, commands, file_of, snippets, under

CALL = "Issue a token and call a tool"
INSTALL = "python3 -m venv .venv && .venv/bin/pip install -q -r requirements.txt && .venv/bin/python "


@pytest.mark.parametrize(("heading", "ends"), [("Demo", "manage.py demo"), ("Tests", "-m pytest")])
def test_the_demo_and_the_tests_are_one_command(heading, ends):
    [block] = under(heading, "console")

    assert block.text == f"{INSTALL}{ends}\n"


def test_every_file_that_the_one_command_needs_is_there():
    assert (ROOT / "requirements.txt").is_file()
    assert (ROOT / "manage.py").is_file()
    assert (ROOT / "project" / "notes" / "management" / "commands" / "demo.py").is_file()


@pytest.mark.parametrize("variant", VARIANTS)
def test_ten_lines_are_enough(variant):
    template = Path(django.__file__).parent / "conf/project_template/project_name/asgi.py-tpl"
    lines = template.read_text("utf-8").replace("{{ project_name }}", "mysite").replace("'", '"').splitlines()
    there = {"", "django = get_asgi_application()", *lines}
    own = [block for block in snippets(variant) if file_of(block) != "mysite/mcp_server.py"]

    new = [line for block in own for line in block.text.splitlines() if line not in there]

    assert len(new) <= 10, "\n".join(new)


@pytest.fixture(params=VARIANTS)
def driven(request, tmp_path):
    """Assemble a project from the blocks of one variant, run the README's commands and its call in it."""
    assemble(tmp_path, request.param)
    return request.param, drive(tmp_path, websocket=request.param == SERVER)


def drive(project: Path, *, websocket: bool) -> dict:
    called = [shlex.split(line) for line in commands(CALL)]
    assert [words[:2] for words in called if words[0] != "curl"] == [["python", "manage.py"]] * 7
    [call] = [words for words in called if words[0] == "curl"]
    assert call[1] == "http://127.0.0.1:8000/mcp"
    options = list(zip(call[2::2], call[3::2], strict=True))
    said = {
        "commands": [
            [*words[2:], *(["--fail-level", "WARNING"] if words[2] == "check" else [])]
            for words in called
            if words[0] != "curl"
        ],
        "headers": dict(value.split(": ", 1) for option, value in options if option == "-H"),
        "body": next(value for option, value in options if option == "-d"),
        "websocket": websocket,
    }
    (project / "said.json").write_text(json.dumps(said), "utf-8")
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "docs" / "drive.py"), "said.json"],
        cwd=project,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_snippets_guard_a_project_that_was_there_before(driven):
    variant, seen = driven

    status, body = seen["token"]
    assert status == 200, body
    assert "mcpg_" not in body
    assert ("This is note 1." if variant == SERVER else '"client": "partner"') in body
    assert seen["ran"] == ["tools/call"]
    refused = {name: seen[name][0] for name in ("no token", "foreign page", "stolen token", "other tool")}
    assert refused == {"no token": 401, "foreign page": 403, "stolen token": 403, "other tool": 403}
    assert "Insufficient scope" in seen["other tool"][1]
    assert seen["ran later"] == []
    if variant == SERVER:
        assert seen["foreign socket"] == [False, None]
        assert seen["listed socket"] == [True, {"jsonrpc": "2.0", "id": 1, "result": {}}]
