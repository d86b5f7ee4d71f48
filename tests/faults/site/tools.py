"""A server object whose tools are slow, or answer at length."""

from __future__ import annotations

import asyncio

from mcp.server.mcpserver import MCPServer

server = MCPServer("floods", log_level="ERROR")


@server.tool()
async def slow(padding: str = "") -> str:
    """Answer when nobody waits any more."""
    await asyncio.sleep(600)
    return padding


@server.tool()
async def long(size: int) -> str:
    """Answer with so many characters."""
    return "x" * size
