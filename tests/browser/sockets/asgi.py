"""The site as one ASGI application, mounted as the documentation says."""

from __future__ import annotations

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path, re_path

django = get_asgi_application()

from mcp.server.mcpserver import MCPServer  # noqa: E402 (what follows needs the app registry)

from mcp_guard.asgi import front_door  # noqa: E402
from mcp_guard.mcp import MCPConsumer, mount  # noqa: E402

server = MCPServer("notes", log_level="WARNING")


@server.tool()
async def read_note(note_id: int) -> str:
    """Return a note."""
    return f"This is note {note_id}."


over_http = mount(server, endpoint="notes")
over_websocket = MCPConsumer.as_asgi(server=server, endpoint="notes")
application = front_door(
    ProtocolTypeRouter(
        {
            "http": URLRouter(
                [path("mcp", over_http), path("mcp/ticket", over_http), re_path("", django)]  # type: ignore[arg-type]
            ),
            "websocket": URLRouter([path("ws/mcp", over_websocket)]),
        }
    )
)
