"""A server object that offers everything the conformance suite looks for."""

from __future__ import annotations

from typing import Any, Final

from mcp.server.lowlevel import Server
from mcp.server.mcpserver import MCPServer, RequestStateSecurity
from mcp.server.mcpserver.prompts.base import Prompt
from mcp.server.mcpserver.tools.base import Tool
from mcp.types import (
    Completion,
    EmptyResult,
    SetLevelRequestParams,
    SubscribeRequestParams,
    UnsubscribeRequestParams,
)

from tests.conformance.server import contents, notices, prompts, questions, resources, rounds
from tests.conformance.server.events import KeptEvents

SCHEMA: Final[dict[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
"""Every keyword of JSON Schema 2020-12 that a list of tools has to pass on unharmed."""

KEPT_EVENTS: Final = KeptEvents()

RETRY_MILLISECONDS: Final = 100
"""When a client whose stream was cut may come back."""


async def schema() -> str:
    """Have an input schema that uses all of JSON Schema 2020-12."""
    return "described"


def build() -> Server[Any]:
    """Return the server."""
    described = Tool.from_function(schema, name="json_schema_2020_12_tool")
    server = MCPServer(
        "conformance",
        version="1.0",
        log_level="ERROR",
        tools=[described.model_copy(update={"parameters": SCHEMA})],
        request_state_security=RequestStateSecurity(keys=[b"one key for all processes of a test run"]),
    )
    for tool in (*contents.TOOLS, *questions.TOOLS, *notices.TOOLS, *rounds.TOOLS):
        server.add_tool(tool, name=f"test_{tool.__name__}")
    for prompt in prompts.PROMPTS:
        server.add_prompt(Prompt.from_function(prompt, name=f"test_{prompt.__name__}"))
    resources.offer(server)
    return _with_old_methods(server)


def _with_old_methods(server: MCPServer) -> Server[Any]:
    """Answer what 2026-07-28 dropped and the SDK leaves to its users."""

    @server.completion()
    async def complete(*_: object) -> Completion:
        return Completion(values=["paris", "park", "party"], total=3, has_more=False)

    async def nothing(*_: object) -> EmptyResult:
        return EmptyResult()

    server.streamable_http_app()  # the one public way to the object that speaks the protocol
    low = server.session_manager.app
    low.add_request_handler("logging/setLevel", SetLevelRequestParams, nothing)
    low.add_request_handler("resources/subscribe", SubscribeRequestParams, nothing)
    low.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, nothing)
    return low


SERVER: Final = build()
