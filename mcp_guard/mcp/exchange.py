"""One HTTP exchange with an ASGI application that runs inside of another request."""

from __future__ import annotations

import asyncio
import contextvars
import logging
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

LEAVE_SECONDS: Final = 5.0
"""How long an application may go on after its client has left, in seconds."""

_WITHOUT_BODY: Final = (204, 304)

logger = logging.getLogger(__name__)


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
    slow reader slows the application down. The task has an empty context: in that of the request,
    database calls run on a thread that ends with it, while streams and sessions go on.
    """

    def __init__(self, app: ASGIApp, scope: Scope, body: bytes) -> None:
        self._app = app
        self._scope = scope
        self._body: bytes | None = body
        self._left = asyncio.Event()
        self._sent: asyncio.Queue[Message | None] = asyncio.Queue(maxsize=1)
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._run(), context=contextvars.Context())

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
        """Tell the application that its client left, as a server does: it is not cut off in mid-air.

        MCP takes that for cancelling the call. An application that does not end is cancelled in the end.
        """
        if self._task.done() or self._left.is_set():
            return
        self._left.set()
        while not self._sent.empty():
            self._sent.get_nowait()
        timer = self._loop.call_later(LEAVE_SECONDS, self._task.cancel)
        self._task.add_done_callback(lambda task: _conclude(task, timer))

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
        finally:
            if not self._left.is_set():
                await self._sent.put(None)

    async def _receive(self) -> Message:
        body, self._body = self._body, None
        if body is not None:
            return {"type": "http.request", "body": body, "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        is_heard = message["type"] in ("http.response.start", "http.response.body")
        if is_heard and not self._left.is_set():
            await self._sent.put(message)


def _conclude(task: asyncio.Task[None], timer: asyncio.TimerHandle) -> None:
    """Note how an application ended whose client had left."""
    timer.cancel()
    error = None if task.cancelled() else task.exception()
    if error is not None:
        logger.info("an application failed after its client had left", exc_info=error)


def _headers(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the end-to-end headers of an answer."""
    found: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    dropped = HOP_BY_HOP | {name.strip().lower() for name in found.get("connection", "").split(",")}
    return {name: value for name, value in found.items() if name not in dropped}
