"""A guarded stream, a guarded call that begins once its client has left, and what is open in the process."""

from __future__ import annotations

import json
from typing import Any

from django.core.asgi import get_asgi_application

get_asgi_application()

from mcp_guard.asgi import guard  # noqa: E402 (needs the app registry)
from mcp_guard.asgi.sweep import sweep  # noqa: E402
from mcp_guard.live.connections import connections  # noqa: E402
from mcp_guard.live.slots import calls, streams  # noqa: E402

_ended = {"streams": 0, "calls": 0}


async def _stream(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"data: 1\r\n\r\n", "more_body": True})
    while (await receive())["type"] != "http.disconnect":
        pass


async def _answer(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


async def _late(scope: Any, receive: Any, send: Any) -> None:
    """Call the guard when the client has left, as when it had to wait for the policy."""
    events = [await receive()]
    while events[-1]["type"] != "http.disconnect":
        events.append(await receive())
    arrived = iter(events)

    async def received() -> Any:
        return next(arrived, events[-1])

    await _guarded_call(scope, received, send)


async def _report(send: Any) -> None:
    counts = {
        "connections": connections.count(),
        "slots": sum([*calls.all().values(), *streams.all().values()]),
        "looked at": len(sweep()),
        "ended": _ended,
    }
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(counts).encode()})


_guarded_stream, _guarded_call = guard(_stream, "partner"), guard(_answer, "partner")


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Serve ``/report``, streams to GET and late calls to POST."""
    if scope["path"] == "/report":
        await _report(send)
        return
    kind, served = ("streams", _guarded_stream) if scope["method"] == "GET" else ("calls", _late)
    try:
        await served(scope, receive, send)
    finally:
        _ended[kind] += 1
