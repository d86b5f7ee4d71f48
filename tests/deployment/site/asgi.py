"""The site as an ASGI application. The recorder stands outside of the front door, where the server ends."""

from __future__ import annotations

import json
from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

http = get_asgi_application()

from mcp_guard.asgi import front_door, guard  # noqa: E402 (needs the app registry)
from tests.deployment.site.record import Event, Receive, Recorder, Send, record  # noqa: E402


async def socket(scope: Event, receive: Receive, send: Send) -> None:
    """Answer every message with an empty result."""
    while (event := await receive())["type"] != "websocket.disconnect":
        if event["type"] == "websocket.connect":
            await send({"type": "websocket.accept"})
            continue
        record(ran="socket")
        identifier = json.loads(event["text"])["id"]
        text = json.dumps({"jsonrpc": "2.0", "id": identifier, "result": {}})
        await send({"type": "websocket.send", "text": text})


def _site() -> Any:
    websocket = URLRouter([path("ws/mcp", guard(socket, endpoint="notes"))])
    return front_door(ProtocolTypeRouter({"http": http, "websocket": websocket}))


application = Recorder(_site())
