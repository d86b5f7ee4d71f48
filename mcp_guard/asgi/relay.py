"""Relay a guarded WebSocket to an ASGI application: it sees judged messages and an ordinary socket."""

from __future__ import annotations

import json
from typing import Any

from mcp_guard.asgi.exchange import Event
from mcp_guard.asgi.websocket import GuardedSocket
from mcp_guard.mcp.jsonrpc import Message
from mcp_guard.policy.decision import Reason


async def serve(app: Any, socket: GuardedSocket) -> None:
    """Serve one WebSocket with an application that is started only once somebody is let in.

    Where the first message authenticates, the socket is accepted here; else the application accepts it.
    """
    if not await socket.judge_handshake():
        return
    try:
        first: Message | None = None
        if socket.admitted is None or socket.endpoint.token_every_message:
            socket.keep_scope()
            await socket.accept()
            first = await socket.receive()
            if first is None:
                return
        relay = _Relay(socket, first)
        await app(socket.inner_scope, relay.receive, relay.send)
    finally:
        if not socket.is_closed:
            await socket.close()


class _Relay:
    """The ``receive`` and ``send`` of the application."""

    __slots__ = ("_first", "_is_connected", "_socket")

    def __init__(self, socket: GuardedSocket, first: Message | None) -> None:
        self._socket = socket
        self._first = first
        self._is_connected = False

    async def receive(self) -> Event:
        if not self._is_connected:
            self._is_connected = True
            return {"type": "websocket.connect"}
        message, self._first = self._first, None
        if message is None:
            message = await self._socket.receive()
        if message is None:
            return {"type": "websocket.disconnect", "code": 1005}
        text = json.dumps(message.payload, ensure_ascii=False, separators=(",", ":"))
        return {"type": "websocket.receive", "text": text, "bytes": None}

    async def send(self, event: Event) -> None:
        match event["type"]:
            case "websocket.accept":
                if not self._socket.is_accepted:
                    await self._socket.accept()
            case "websocket.send" if event.get("text") is not None:
                await self._socket.send_text(event["text"])
            case "websocket.send":
                await self._socket.refuse(Reason.MESSAGE_NOT_TEXT)
            case "websocket.close":
                await self._socket.close(event.get("code") or 1000)
