"""The site's application: the front door outermost, the WebSocket handler behind its guard."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

from mcp_guard.asgi import front_door, guard
from mcp_guard.mcp import jsonrpc
from tests.corpus.site.answers import result
from tests.corpus.site.policies import ENDPOINT
from tests.corpus.websocket import HANDLER_RAN

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def answer_messages(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer each message that is let through with one of its own."""
    while (event := await receive())["type"] != "websocket.disconnect":
        if event["type"] == "websocket.connect":
            await send({"type": "websocket.accept"})
        else:
            await send({"type": "websocket.send", "text": answer(event["text"])})


def answer(text: str) -> str:
    """Return the answer to one message, which says that the handler ran."""
    message = jsonrpc.parse(text)
    found = None if isinstance(message, jsonrpc.Malformed) else result(message)
    return json.dumps({"ran": HANDLER_RAN.decode(), "result": found})


application = front_door(
    ProtocolTypeRouter(
        {
            "http": get_asgi_application(),
            "websocket": URLRouter([path("ws/mcp/", guard(answer_messages, endpoint=ENDPOINT))]),
        }
    )
)
