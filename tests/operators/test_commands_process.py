"""The command as a process of its own: exit status, and which stream carries what."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


class Site:
    """A database of its own and the command line on it."""

    def __init__(self, folder: Path) -> None:
        self.environment = os.environ | {
            "DATABASE_URL": f"sqlite:///{folder / 'site.sqlite3'}",
            "DJANGO_SETTINGS_MODULE": os.environ.get("DJANGO_SETTINGS_MODULE", "tests.settings"),
        }

    def manage(
        self, *arguments: str | bytes, stdin: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment | environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def run(self, *arguments: str | bytes, **kwargs: str) -> subprocess.CompletedProcess[str]:
        return self.manage("mcp_guard", *arguments, **kwargs)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Site:
    site = Site(tmp_path_factory.mktemp("site"))
    migrated = site.manage("migrate", "--verbosity", "0", "--skip-checks")
    assert migrated.returncode == 0, migrated.stderr
    for arguments in (
        ("scope", "add", "read", "--grant", "tools/call:read_note"),
        ("client", "add", "partner"),
    ):
        assert site.run(*arguments).returncode == 0
    return site


ISSUE = ("token", "issue", "--client", "partner", "--name", "n", "--endpoint", "notes", "--scope", "read")


def test_success_exits_0_and_leaves_stderr_empty(site):
    done = site.run("client", "list", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert [client["name"] for client in json.loads(done.stdout)] == ["partner"]


def test_bad_input_exits_2_on_stderr(site):
    done = site.run("origin", "add", "https://a.example/x", "--client", "partner", "--endpoint", "notes")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("origin: ")


def test_bad_input_exits_2_as_json_on_stdout(site):
    done = site.run("--json", "client", "disable", "nobody")
    assert (done.returncode, done.stderr) == (2, "")
    assert json.loads(done.stdout)["error"]["fields"] == {"name": ["there is no client “nobody”"]}


def test_unparsable_arguments_exit_2(site):
    done = site.run("client", "drop", "--json")
    assert (done.returncode, done.stderr) == (2, "")
    assert "error" in json.loads(done.stdout)


def test_an_issued_token_is_let_in_by_check_in_another_process(site):
    token = json.loads(site.run(*ISSUE, "--json").stdout)["token"]
    done = site.run("check", "--endpoint", "notes", "--tool", "read_note", "--token", stdin=f"{token}\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("would be admitted as client partner\n")
    assert token not in done.stdout


def test_a_terminal_that_knows_only_ascii_does_not_lose_the_token(site):
    done = site.run(*ISSUE, "--kind", "any", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "mcpg_\\u2026" in done.stdout
    assert [len(word) for word in done.stdout.split() if word.startswith("mcpg_") and "\\" not in word] == [
        54
    ]
    assert done.stderr.startswith("warning: kind any")


def test_arguments_that_are_not_utf8_are_refused(site):
    done = site.run("client", "add", "latin", "--owner", b"J\xe9", "--json")
    assert (done.returncode, json.loads(done.stdout)["error"]["fields"]) == (
        2,
        {"owner": ["this is not UTF-8"]},
    )


def test_a_database_without_tables_exits_1(site, tmp_path):
    done = site.run("client", "list", DATABASE_URL=f"sqlite:///{tmp_path / 'empty.sqlite3'}")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("the database failed: no such table")


def test_help_is_on_stdout(site):
    done = site.run("token", "issue", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "--not-before" in done.stdout
