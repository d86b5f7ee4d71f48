"""One HTTP exchange with an ASGI application that runs inside of another request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from typing import Final, NamedTuple

from starlette.types import ASGIApp, Message, Scope

HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers about the connection (RFC 9110 section 7.6.1); they belong to the outer server."""

_WITHOUT_BODY: Final = (204, 304)


class Start(NamedTuple):
    """Status and headers of an answer, names in lower case, repeated ones joined."""

    status: int
    headers: dict[str, str]

    @property
    def is_stream(self) -> bool:
        """Whether the answer may go on for as long as the application likes."""
        return "content-length" not in self.headers and self.status not in _WITHOUT_BODY


class Exchange:
    """Runs an application as a task of the running loop and hands on its answer piece by piece.

    Iterating it yields the parts of the body. A part is taken before the next one is asked for, so a
    slow reader slows the application down.
    """

    def __init__(self, app: ASGIApp, scope: Scope, body: bytes) -> None:
        self._app = app
        self._scope = scope
        self._body: bytes | None = body
        self._left = asyncio.Event()
        self._sent: asyncio.Queue[Message | None] = asyncio.Queue(maxsize=1)
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._run())

    async def start(self) -> Start:
        """Return the head of the answer.

        Raises:
            RuntimeError: when the application ends without an answer.
            Exception: whatever the application raised.
        """
        try:
            message = await self._sent.get()
            if message is None:
                await self._task
                raise RuntimeError("the application sent no answer")
        except asyncio.CancelledError:
            self._leave()
            raise
        return Start(message["status"], _headers(message.get("headers", ())))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while (message := await self._sent.get()) is not None:
                if message.get("body"):
                    yield message["body"]
            await self._task
        finally:
            self._leave()

    def close(self) -> None:
        """Tell the application, from whatever thread, that nobody reads on; harmless at its end."""
        with suppress(RuntimeError):  # the loop is closed, and the task with it
            self._loop.call_soon_threadsafe(self._leave)

    def _leave(self) -> None:
        """End the application: MCP takes a client that leaves for one that cancels its call."""
        self._left.set()
        self._task.cancel()

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
        finally:
            await self._sent.put(None)

    async def _receive(self) -> Message:
        body, self._body = self._body, None
        if body is not None:
            return {"type": "http.request", "body": body, "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] in ("http.response.start", "http.response.body"):
            await self._sent.put(message)


def _headers(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the end-to-end headers of an answer."""
    found: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    dropped = HOP_BY_HOP | {name.strip().lower() for name in found.get("connection", "").split(",")}
    return {name: value for name, value in found.items() if name not in dropped}
