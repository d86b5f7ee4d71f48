"""The probe as an ASGI application with all three doors."""

import os

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.mcp.probe.settings")
django = get_asgi_application()

from mcp_guard.asgi import front_door  # noqa: E402 (needs the app registry)
from mcp_guard.mcp import MCPConsumer, mount  # noqa: E402
from tests.mcp.probe.server import server  # noqa: E402
from tests.mcp.probe.urls import in_django  # noqa: E402

over_asgi = mount(server, endpoint="notes")


async def http(scope, receive, send):
    await (over_asgi if scope["path"] == "/mcp" else django)(scope, receive, send)


async def lifespan(scope, receive, send):
    while (await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    await over_asgi.aclose()
    await in_django.aclose()
    await send({"type": "lifespan.shutdown.complete"})


consumer = MCPConsumer.as_asgi(server=server, endpoint="notes")
application = front_door(
    ProtocolTypeRouter(
        {"http": http, "lifespan": lifespan, "websocket": URLRouter([path("ws/mcp", consumer)])}
    )
)
