"""ASGI connections driven by hand: what the client sends is put in, what it gets is taken out."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

SECONDS = 5


class Exchange:
    """One connection with an application; ``sent`` holds the events that went to the client."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self._moved = asyncio.Condition()
        self._incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def receive(self) -> dict[str, Any]:
        return await self._incoming.get()

    async def send(self, event: dict[str, Any]) -> None:
        async with self._moved:
            self.sent.append(event)
            self._moved.notify_all()

    def put(self, event: dict[str, Any]) -> None:
        """Have the client send something."""
        self._incoming.put_nowait(event)

    def say(self, identifier: str, **members: Any) -> None:
        """Have the client of a WebSocket send a ping."""
        message = {"jsonrpc": "2.0", "id": identifier, "method": "ping", **members}
        self.put({"type": "websocket.receive", "text": json.dumps(message)})

    async def until(self, kind: str, **values: Any) -> dict[str, Any]:
        """Wait until the client has got an event of this kind, with these values, and return it."""

        def matching() -> list[dict[str, Any]]:
            wanted = {"type": kind, **values}
            return [event for event in self.sent if wanted.items() <= event.items()]

        async with asyncio.timeout(SECONDS), self._moved:
            await self._moved.wait_for(matching)
        return matching()[0]

    @property
    def kinds(self) -> list[str]:
        """The kinds of the events that the client got, without their prefix."""
        return [event["type"].rpartition(".")[2] for event in self.sent]


@asynccontextmanager
async def running(app: Any, scope: dict[str, Any]) -> AsyncIterator[Exchange]:
    """Run an application on a connection until the block ends."""
    exchange = Exchange()
    task = asyncio.create_task(app(scope, exchange.receive, exchange.send))
    try:
        yield exchange
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
