"""ASGI applications of the site, unaware of the gate: one for HTTP and sockets, one consumer of a socket."""

from __future__ import annotations

import json
from typing import Any

from asgiref.sync import sync_to_async

from mcp_guard import conf
from mcp_guard.asgi.websocket import GuardedSocket
from tests.transports.site import probe
from tests.transports.site.views import HOSTILE


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Serve a request, or a socket whose messages are noted and answered."""
    if scope["type"] == "http":
        await _serve_http(scope, receive, send)
    else:
        await _serve_websocket(scope, receive, send)


class Consumer:
    """Serves a socket through ``GuardedSocket``, as a consumer does that knows of the gate."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one socket."""
        socket = GuardedSocket(scope, receive, send, endpoint=conf.endpoint(self.endpoint))
        if not await socket.open():
            return
        run: probe.Seen | None = None
        async for message in socket:
            run = run or await _note(socket.inner_scope)
            run.methods.append(message.method or "")
            run.token_ids.append(socket.principal.token_id)
            await socket.send_text(json.dumps({"ran": message.method}))
        await socket.close()


async def _serve_http(scope: Any, receive: Any, send: Any) -> None:
    body = await _read(receive)
    await _note(scope, body)
    way = scope["path"].rpartition("/exit/")[2] if "/exit/" in scope["path"] else ""
    status, headers, parts = _answer(way)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    for part in parts[:-1]:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    if way == "torn":
        raise RuntimeError("the stream fails")
    await send({"type": "http.response.body", "body": parts[-1]})


def _answer(way: str) -> tuple[int, list[tuple[bytes, bytes]], list[bytes]]:
    match way:
        case "":
            return 200, [(b"content-type", b"application/json")], [b'{"ran": true}']
        case "hostile":
            return 200, [(n.lower().encode(), v.encode()) for n, v in HOSTILE.items()], [b"{}"]
        case "missing":
            return 404, [], [b""]
        case "redirect":
            return 302, [(b"location", b"/elsewhere")], [b""]
        case "unmodified":
            return 304, [], [b""]
        case "stream" | "torn":
            return 200, [], [b"first", b"second"]
        case _:
            raise RuntimeError("the application fails")


async def _serve_websocket(scope: Any, receive: Any, send: Any) -> None:
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    run: probe.Seen | None = None
    while (event := await receive())["type"] == "websocket.receive":
        run = run or await _note(scope)
        method = json.loads(event["text"]).get("method", "")
        assert "auth" not in json.loads(event["text"])
        run.methods.append(method)
        await send({"type": "websocket.send", "text": json.dumps({"ran": method})})


async def _read(receive: Any) -> bytes:
    body = b""
    while True:
        event = await receive()
        body += event.get("body", b"")
        if not event.get("more_body", False):
            return body


async def _note(scope: Any, body: bytes = b"") -> probe.Seen:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    pairs = (pair.strip().partition("=") for pair in headers.get("cookie", "").split(";"))
    cookies = {name: value for name, _, value in pairs if name}

    def note() -> probe.Seen:
        return probe.note(scope["mcp_guard"], scope["user"], headers, body=body, cookies=cookies, scope=scope)

    return await sync_to_async(note)()
