"""Templates for the tests: the example of the documentation, and small ones with one thing in them."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

from mcp_guard.template import document
from mcp_guard.template.report import Report
from tests.docs.pages import ROOT

EXAMPLE = ROOT / "docs" / "examples" / "template.json"
SERVER_EXAMPLE = EXAMPLE.with_name("template-server.json")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def example() -> dict[str, Any]:
    """Return the example of the documentation."""
    return json.loads(EXAMPLE.read_text("utf-8"))


def template(**sections: Any) -> dict[str, Any]:
    """Return a template with these sections."""
    return {"mcp_server": sections}


def with_token(**fields: Any) -> dict[str, Any]:
    """Return a template with one token."""
    entry = {"name": "ci", "allowed_capabilities": ["tools/call:read_note"], **fields}
    return template(authentication={"tokens": [{k: v for k, v in entry.items() if v is not ...}]})


def read(value: Any) -> tuple[document.Template, Report]:
    """Return what a JSON value says as a template, and the report."""
    report = Report()
    before = deepcopy(value)
    found = document.read(value, NOW, report)
    assert value == before
    return found, report


def problems(value: Any) -> dict[str, str]:
    """Return what is wrong with a JSON value as a template, by path."""
    report = read(value)[1]
    assert len({path for path, _ in report.problems}) == len(report.problems)
    return dict(report.problems)


def leaves(value: Any, path: str = "") -> list[str]:
    """Return the path of each thing in a JSON value that holds nothing else."""
    if isinstance(value, dict) and value:
        return [
            leaf
            for name, inner in value.items()
            for leaf in leaves(inner, f"{path}.{name}" if path else name)
        ]
    if isinstance(value, list) and value:
        return [leaf for index, inner in enumerate(value) for leaf in leaves(inner, f"{path}[{index}]")]
    return [path]
