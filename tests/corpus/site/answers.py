"""The JSON-RPC methods of the site, the same for HTTP and WebSocket."""

from __future__ import annotations

from typing import Any, Final

from mcp_guard.mcp.jsonrpc import Message

TOOLS: Final = ("echo", "echo2", "shell")


def result(message: Message) -> dict[str, Any] | None:
    """Return the result of a request, None for a method or tool that the site does not have."""
    operation = message.operation
    if operation is None:
        return None
    if operation.method == "tools/list":
        return {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS]}
    if operation.method == "tools/call" and operation.name in TOOLS:
        return {"content": [{"type": "text", "text": operation.name}]}
    return None
