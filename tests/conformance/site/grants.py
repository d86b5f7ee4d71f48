"""The grants for all that the suite asks for, whether the server has it or not.

What it does not have is granted too, so that the server says so itself and not the gate.
"""

from __future__ import annotations

from typing import Final

from tests.conformance.server import contents, notices, prompts, questions, rounds

_TOOLS: Final = (*contents.TOOLS, *questions.TOOLS, *notices.TOOLS, *rounds.TOOLS)

MISSING_TOOLS: Final = (
    "confirm_delete",
    "failing_job",
    "greet",
    "multi_input",
    "protocol_error_job",
    "slow_compute",
    "test_tool_with_task",
)
"""Tools of extensions that the SDK has not got."""

_RESOURCES: Final = (
    "static-text",
    "static-binary",
    "watched-resource",
    "template/*",
    "nonexistent-resource-for-conformance-testing",
)

GRANTS: Final = (
    *(f"tools/call:test_{tool.__name__}" for tool in _TOOLS),
    *(f"tools/call:{name}" for name in ("json_schema_2020_12_tool", *MISSING_TOOLS)),
    *(f"prompts/get:test_{prompt.__name__}" for prompt in prompts.PROMPTS),
    *(f"resources/read:test://{name}" for name in _RESOURCES),
    "resources/subscribe:test://watched-resource",
    "resources/unsubscribe:test://watched-resource",
    "completion/complete",
    "logging/setLevel",
    "subscriptions/listen",
)
