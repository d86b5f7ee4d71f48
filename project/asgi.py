"""The demo site as one ASGI application: the front door, then the mounts, then Django."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django = ASGIStaticFilesHandler(get_asgi_application())  # the demo has no web server for the admin's styles

from mcp_guard.asgi import front_door  # noqa: E402 (what follows needs the app registry)
from mcp_guard.mcp import MCPConsumer, ServersConsumer, servers  # noqa: E402
from project.notes.mounts import MOUNTS, in_public, over_asgi  # noqa: E402
from project.notes.server import notes  # noqa: E402

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]

BY_PATH: dict[str, Any] = {
    "/mcp": over_asgi,
    "/mcp/": over_asgi,
    "/mcp/ticket": over_asgi,
    "/public/mcp": in_public,
    "/public/mcp/": in_public,
}

over_websocket = MCPConsumer.as_asgi(server=notes, endpoint="notes")
registered = servers()
registered_over_websocket = ServersConsumer.as_asgi()
sockets: list[Any] = [
    path("ws/mcp", over_websocket),
    path("ws/mcp/", over_websocket),
    path("ws/servers/<str:name>", registered_over_websocket),
    path("ws/servers/<str:name>/", registered_over_websocket),
]


async def http(scope: Event, receive: Receive, send: Send) -> None:
    """Serve a request: by the mount at exactly its path or for registered servers, else by Django."""
    mounted = registered if scope["path"].startswith("/servers/") else BY_PATH.get(scope["path"], django)
    await mounted(scope, receive, send)


async def lifespan(_scope: Event, receive: Receive, send: Send) -> None:
    """End processes and the mounts' sessions when the server says that it stops; Daphne never says so."""
    while True:
        event = await receive()
        if event["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        else:
            await registered.aclose()
            for mounted in MOUNTS:
                await mounted.aclose()
            await send({"type": "lifespan.shutdown.complete"})
            return


application = front_door(
    ProtocolTypeRouter(
        {
            "http": http,
            "lifespan": lifespan,
            "websocket": URLRouter(sockets),
        }
    )
)
