"""Checks of the setting ``MCP_GUARD``."""

from __future__ import annotations

from typing import Any, Final

from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 (Django's names)

from mcp_guard import conf
from mcp_guard.conf import ProblemKind

_PROBLEM_IDS: Final = {
    ProblemKind.MALFORMED: "mcp_guard.E001",
    ProblemKind.UNKNOWN_KEY: "mcp_guard.E002",
    ProblemKind.UNKNOWN_PROFILE: "mcp_guard.E003",
    ProblemKind.CONTRADICTION: "mcp_guard.E004",
    ProblemKind.NO_HOSTS: "mcp_guard.E005",
}


def check_settings(**_: Any) -> list[CheckMessage]:
    """Return what is wrong with ``MCP_GUARD``."""
    found: list[CheckMessage] = [
        Error(f"{problem.where} {problem.text}.", hint=problem.hint or None, id=_PROBLEM_IDS[problem.kind])
        for problem in conf.parse().problems
    ]
    found += [
        Warning(
            f"Endpoint {endpoint.name!r} forwards Authorization: the gate asks for no token there.",
            hint="Be sure that the inner application authenticates every request by itself.",
            id="mcp_guard.W003",
        )
        for endpoint in conf.parse().described
        if endpoint.forward_authorization
    ]
    return found
