"""Run ``manage.py mcp_guard`` inside of the test's own transaction, as from a command line."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import pytest

from mcp_guard.management.commands.mcp_guard import Command


class Result(NamedTuple):
    """What a run left behind."""

    status: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """What it printed as JSON."""
        return json.loads(self.out)

    @property
    def fields(self) -> dict[str, list[str]]:
        """What was wrong with which field, from the JSON of an error."""
        error: dict[str, Any] = self.data["error"]
        assert set(error) == {"message", "fields"}
        return error["fields"]


Run = Callable[..., Result]

_create_parser = cache(Command().create_parser)
"""Makes the parser that all runs share: that takes longer than most of them, and it remembers nothing."""


def runner(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs one command line and returns what came of it."""
    monkeypatch.setattr("django.core.management.base.connections.close_all", lambda: None)
    monkeypatch.setattr(Command, "create_parser", lambda _, *names: _create_parser(*names))

    def run(*arguments: str, stdin: str = "") -> Result:
        out, err = io.StringIO(), io.StringIO()
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        command = Command(stdout=out, stderr=err, no_color=True)
        try:
            command.run_from_argv(["manage.py", "mcp_guard", *arguments])
            status = 0
        except SystemExit as end:
            status = end.code
        return Result(status, out.getvalue(), err.getvalue())

    return run


def lines_of(text: str) -> list[str]:
    """Return the lines of a text, cut at line feeds alone: other breaks must not have got through."""
    return text.removesuffix("\n").split("\n")
