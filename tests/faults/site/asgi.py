"""The site as an ASGI application: guarded calls, streams and sockets, and what is known of the process."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.faults.site.settings")
django = get_asgi_application()

from mcp_guard.asgi import front_door, guard  # noqa: E402 (what follows needs the app registry)
from mcp_guard.live.connections import connections  # noqa: E402
from mcp_guard.live.holder import holder  # noqa: E402
from tests.faults.site.ran import note, ran  # noqa: E402

Event = dict[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]

TICK_SECONDS = 0.05


async def call(scope: Event, receive: Receive, send: Send) -> None:
    """Answer at once."""
    note(_label(scope))
    await _answer(send, b"ran")


async def stream(scope: Event, receive: Receive, send: Send) -> None:
    """Tick until the client is gone, as far as this application is told."""
    label = _label(scope)
    note(label)
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    ticking = asyncio.create_task(_tick(send))
    while (await receive())["type"] != "http.disconnect":
        pass
    ticking.cancel()
    note(f"ended {label}")


async def flow(scope: Event, receive: Receive, send: Send) -> None:
    """Send events without a pause until the client is gone, as far as this application is told."""
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    flowing = asyncio.create_task(_flow(send))
    while (await receive())["type"] != "http.disconnect":
        pass
    flowing.cancel()


async def _flow(send: Send) -> None:
    event = {"type": "http.response.body", "body": b"data: " + b"x" * 60_000 + b"\n\n", "more_body": True}
    while True:
        await send(event)
        await asyncio.sleep(0)


async def _tick(send: Send) -> None:
    while True:
        await send({"type": "http.response.body", "body": b"data: tick\n\n", "more_body": True})
        await asyncio.sleep(TICK_SECONDS)


async def socket(scope: Event, receive: Receive, send: Send) -> None:
    """Note the id of every message and answer it."""
    while (event := await receive())["type"] != "websocket.disconnect":
        if event["type"] == "websocket.connect":
            await send({"type": "websocket.accept"})
            continue
        identifier = json.loads(event["text"])["id"]
        note(identifier)
        text = json.dumps({"jsonrpc": "2.0", "id": identifier, "result": {}})
        await send({"type": "websocket.send", "text": text})


async def state(scope: Event, receive: Receive, send: Send) -> None:
    """Tell what is known of this process."""
    found = {
        "pid": os.getpid(),
        "ran": ran,
        "revision": holder.snapshot.revision,
        "failures": holder.failures,
        "source": holder.source,
        "last_error": holder.last_error,
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "connections": connections.count(),
    }
    await _answer(send, json.dumps(found).encode())


async def _answer(send: Send, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _label(scope: Event) -> str:
    return dict(scope["headers"]).get(b"x-label", b"").decode()


HTTP = {
    "/call": guard(call, endpoint="tools"),
    "/stream": guard(stream, endpoint="tools"),
    "/flow": guard(flow, endpoint="tools"),
    "/pages/call": guard(call, endpoint="pages"),
    "/pages/stream": guard(stream, endpoint="pages"),
    "/state": state,
}
SOCKETS = {
    "/ws": guard(socket, endpoint="tools"),
    "/pages/ws": guard(socket, endpoint="pages"),
    "/plain/ws": socket,
}

if os.environ.get("FAULTS_TOOLS"):  # the SDK takes a second to load
    from mcp_guard.mcp import MCPConsumer, mount
    from tests.faults.site.tools import server

    HTTP["/mcp"] = mount(server, endpoint="tools")
    SOCKETS["/mcp/ws"] = MCPConsumer.as_asgi(server=server, endpoint="tools")


async def site(scope: Event, receive: Receive, send: Send) -> None:
    """Serve a connection by the application at exactly its path, else by Django."""
    match scope["type"]:
        case "http":
            await HTTP.get(scope["path"], django)(scope, receive, send)
        case "websocket":
            await SOCKETS[scope["path"]](scope, receive, send)
        case _:
            while (await receive())["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})


application = front_door(site)

if os.environ.get("FAULTS_WARM"):  # a parent that has read policy, and has its threads, before it forks
    holder.refresh()
