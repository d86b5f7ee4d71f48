"""The official SDK's server objects behind the gate: ``mount`` over HTTP, ``MCPConsumer`` over WebSocket.

``servers`` and ``ServersConsumer`` are the same for registered servers.

Importing this package does not import the SDK, so that ``mcp_guard.mcp.jsonrpc`` works without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcp_guard.mcp.consumer import MCPConsumer as MCPConsumer
    from mcp_guard.mcp.registered import ServersConsumer as ServersConsumer
    from mcp_guard.mcp.registered import servers as servers
    from mcp_guard.mcp.streamable_http import mount as mount

__all__ = ["MCPConsumer", "ServersConsumer", "mount", "servers"]


def __getattr__(name: str) -> Any:
    """Import what needs the SDK (the extra ``mcp``) when it is first asked for."""
    match name:
        case "mount":
            from mcp_guard.mcp import streamable_http  # noqa: PLC0415 (imports the SDK)

            return streamable_http.mount
        case "MCPConsumer":
            from mcp_guard.mcp import consumer  # noqa: PLC0415 (imports the SDK)

            return consumer.MCPConsumer
        case "servers" | "ServersConsumer":
            from mcp_guard.mcp import registered  # noqa: PLC0415 (imports the SDK)

            return getattr(registered, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
