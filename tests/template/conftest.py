"""A command line, and files with templates."""

from __future__ import annotations

import json

import pytest

from mcp_guard import testing
from tests.operators.command_line import Run, runner


@pytest.fixture
def run(monkeypatch) -> Run:
    return runner(monkeypatch)


@pytest.fixture
def write(tmp_path):
    def write(value):
        path = tmp_path / "template.json"
        path.write_text(value if isinstance(value, str) else json.dumps(value), "utf-8")
        return str(path)

    return write


@pytest.fixture
def take_over(settings, run):
    """Do what an operator does with the block that a dry run prints: put it at the end of the settings."""

    def take_over(*arguments):
        block = run("import", *arguments, "--dry-run", "--json").data["settings"]["block"]
        values = {"MCP_GUARD": settings.MCP_GUARD}
        exec(block, values)
        settings.MCP_GUARD = values["MCP_GUARD"]

    return take_over


@pytest.fixture
def gate(db):
    with testing.policy_of_this_connection():
        yield
