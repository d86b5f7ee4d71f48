"""WebSocket applications: a stock Channels consumer, and the guard's own receive loop."""

from __future__ import annotations

import json
from typing import Any, Final

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.security.websocket import OriginValidator

from benchmarks.credentials import origin
from benchmarks.site.bound import BoundSocket
from benchmarks.site.views import REPLY
from benchmarks.stacks import Stack
from mcp_guard import conf
from mcp_guard.asgi import guard
from mcp_guard.asgi.websocket import GuardedSocket

TEXT: Final = REPLY.decode()


class Echo(AsyncWebsocketConsumer):
    """A consumer as one writes it: it parses the message and answers 200 bytes. Nobody is checked."""

    async def receive(
        self,
        text_data: str | None = None,
        bytes_data: bytes | None = None,  # noqa: ARG002 (Channels calls it so)
    ) -> None:
        """Answer a message."""
        json.loads(text_data or "")
        await self.send(text_data=TEXT)


async def own_loop(scope: Any, receive: Any, send: Any) -> None:
    """Answer over the guard's own loop, on which every message is judged: what ``MCPConsumer`` runs on."""
    socket = GuardedSocket(scope, receive, send, endpoint=conf.endpoint("benchmarks"))
    if not await socket.open():
        return
    try:
        async for _message in socket:
            await socket.send_text(TEXT)
    finally:
        await socket.close()


class ReadToken:
    """The usual snippet: the token of the handshake is read from the database."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        key = dict(scope["headers"])[b"authorization"].split()[1].decode()
        user = await database_sync_to_async(_user_of)(key)
        await self.app({**scope, "user": user}, receive, send)


def _user_of(key: str) -> Any:
    from rest_framework.authtoken.models import Token

    return Token.objects.select_related("user").get(key=key).user


def application(stack: Stack) -> Any:
    """Return the WebSocket application of a stack."""
    if stack.guard == "own loop":
        return own_loop
    app: Any = Echo.as_asgi()
    if stack.auth == "drf":
        app = ReadToken(app)
    if stack.guard == "channels":
        return OriginValidator(app, [origin(number) for number in range(stack.origins)])
    if stack.guard == "bound":
        return BoundSocket(app, stack.origins, stack.tokens)
    return guard(app, endpoint="benchmarks") if stack.guard == "mcp_guard" else app
