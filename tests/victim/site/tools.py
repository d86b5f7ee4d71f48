"""The tools: an ASGI application that does what it is asked for whoever asks, as many MCP servers do.

It takes a message from a POST of any type, from a GET, and from a WebSocket, and answers with what only its
user should read. It looks at the session's user and at nothing else.
"""

from __future__ import annotations

import json
from typing import Any

from asgiref.sync import sync_to_async

from tests.victim.site import record

SECRET = "the notes of the victim"


class Tools:
    """The tools at one mount."""

    def __init__(self, mount: str) -> None:
        self.mount = mount

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            await self._serve_http(scope, receive, send)
        else:
            await self._serve_websocket(scope, receive, send)

    async def _serve_http(self, scope: Any, receive: Any, send: Any) -> None:
        body = await _read(receive)
        answer = await self._answer(scope, body if scope["method"] == "POST" else CALL)
        kind = b"text/event-stream" if scope["method"] == "GET" else b"application/json"
        text = f"data: {answer}\n\n" if scope["method"] == "GET" else answer
        headers = [(b"content-type", kind), (b"content-length", str(len(text)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": text.encode()})

    async def _serve_websocket(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        subprotocol = "mcp" if "mcp" in scope["subprotocols"] else None
        await send({"type": "websocket.accept", "subprotocol": subprotocol})
        while (event := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": await self._answer(scope, event["text"])})

    async def _answer(self, scope: Any, text: bytes | str) -> str:
        message = json.loads(text)
        assert message["method"] == "tools/call"
        user = await sync_to_async(_name)(scope["user"])
        record.run(self.mount, user)
        return json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": {"text": f"{SECRET} {user}"}})


def _name(user: Any) -> str:
    """Return the name of a user, who is fetched from the database at the first look."""
    return str(user.get_username())


CALL = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "read_notes"}})
"""What a GET stands for, so that one without a body can be seen to run something."""


async def _read(receive: Any) -> bytes:
    body, more = b"", True
    while more:
        event = await receive()
        body += event.get("body", b"")
        more = event.get("more_body", False)
    return body
