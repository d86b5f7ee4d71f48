"""The README: the SDK's client calls the tool of a project that `runserver` serves, as a newcomer does it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT
from tests.docs.project import SERVER, assemble, commands, under
from tests.faults.process import Child, accepts
from tests.ports import free_port

CALL = "Issue a token and call a tool"
SHOWN_PORT = "127.0.0.1:8000"


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def token(tmp_path):
    """The token that the commands of the README print, in the project that they were run in."""
    assemble(tmp_path, SERVER)
    for line in commands(CALL):
        words = line.split()
        if words[:2] == ["python", "manage.py"] and "--kind" not in words:
            done = run(tmp_path, *words[1:])
            assert done.returncode == 0, done.stderr
        if "issue" in words:
            return next(word for word in done.stdout.split() if word.startswith("mcpg_") and "…" not in word)
    raise AssertionError("the README issues no token")


def test_the_client_of_the_sdk_calls_the_tool(tmp_path, token):
    [shown] = under(CALL, "python")
    port = free_port()
    assert SHOWN_PORT in shown.text
    (tmp_path / "client.py").write_text(shown.text.replace(SHOWN_PORT, f"127.0.0.1:{port}"), "utf-8")
    command = [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"]
    log = tmp_path / "server.log"
    environment = {"PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": "mysite.settings"}
    served = Child(command, log, folder=tmp_path, environment=environment)
    try:
        served.wait_until(lambda: accepts(port), 60)
        called = run(tmp_path, "client.py", TOKEN=token)
        refused = run(tmp_path, "client.py", TOKEN=f"{token[:-1]}x")
    finally:
        served.stop()

    assert "This is note 1." in called.stdout, called.stderr
    assert "Invalid token" in refused.stderr
    assert token not in log.read_text("utf-8")
    assert " failed: " not in log.read_text("utf-8")
