"""Resources: a text, an image, one that can be watched, and a template."""

from __future__ import annotations

import json

from mcp.server.mcpserver import MCPServer

from tests.conformance.server.contents import PNG


def offer(server: MCPServer) -> None:
    """Give a server its resources."""

    @server.resource("test://static-text", mime_type="text/plain")
    async def static_text() -> str:
        """Return a text."""
        return "This is the content of the static text resource."

    @server.resource("test://static-binary", mime_type="image/png")
    async def static_binary() -> bytes:
        """Return an image."""
        return PNG

    @server.resource("test://watched-resource", mime_type="text/plain")
    async def watched() -> str:
        """Return a text that a client may watch."""
        return "Watch me."

    @server.resource("test://template/{id}/data", mime_type="application/json")
    async def data(id: str) -> str:  # noqa: A002 (the suite's name)
        """Return what belongs to an id."""
        return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})
