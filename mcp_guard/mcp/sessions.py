"""Run the SDK's session manager inside servers that never say when they start or stop.

The manager holds a task group, which has to be entered and left by one and the same task, and it can
run only once. So every event loop gets a manager of its own, started by its first request and held by a
task of its own. That task has an empty context: nothing of the first caller leaks into the sessions.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.types import Receive, Scope, Send

from mcp_guard.mcp.shutdown import before_shutdown

STOP_SECONDS: Final = 5.0
"""How long stopping may take, in seconds; a sync tool that still runs in its thread is left behind."""

BeforeEnd = Callable[[], Awaitable[None]]
"""Waits, in bounded time, for what should end before the sessions do."""

logger = logging.getLogger(__name__)


class Sessions:
    """An ASGI application that serves Streamable HTTP, one session manager per event loop."""

    def __init__(
        self, build: Callable[[], StreamableHTTPSessionManager], before_end: BeforeEnd | None = None
    ) -> None:
        self._build = build
        self._before_end = before_end
        self._owners: dict[asyncio.AbstractEventLoop, _Owner] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one exchange."""
        manager = await self._owner().manager()
        await manager.handle_request(scope, receive, send)

    async def aclose(self) -> None:
        """End the sessions of the running loop and leave the server's lifespan, in bounded time."""
        owner = self._owners.pop(asyncio.get_running_loop(), None)
        if owner is None:
            return
        if self._before_end is not None:
            await self._before_end()
        await owner.stop()

    def _owner(self) -> _Owner:
        loop = asyncio.get_running_loop()
        owner = self._owners.get(loop)
        if owner is None or owner.is_done:
            for closed in [other for other in self._owners if other.is_closed()]:
                del self._owners[closed]
            owner = self._owners[loop] = _Owner(loop, self._build)
            before_shutdown(self.aclose)
        return owner


class _Owner:
    """The task that holds one running session manager."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, build: Callable[[], StreamableHTTPSessionManager]
    ) -> None:
        self._ready: asyncio.Future[StreamableHTTPSessionManager] = loop.create_future()
        self._stop = asyncio.Event()
        self._task = loop.create_task(self._hold(build), context=contextvars.Context())

    @property
    def is_done(self) -> bool:
        return self._task.done()

    async def manager(self) -> StreamableHTTPSessionManager:
        if self._ready.done():
            return self._ready.result()
        return await asyncio.shield(self._ready)

    async def stop(self) -> None:
        self._stop.set()
        _, pending = await asyncio.wait([self._task], timeout=STOP_SECONDS)
        if pending:
            logger.warning("MCP sessions did not end within %s s", STOP_SECONDS)

    async def _hold(self, build: Callable[[], StreamableHTTPSessionManager]) -> None:
        """Run the manager until told to stop. A failure goes to the requests that wait for it."""
        try:
            manager = build()
            async with manager.run():
                self._ready.set_result(manager)
                await self._stop.wait()
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(RuntimeError("the MCP server did not start"))
            self._ready.exception()  # seen: there may be no request left that waits
            if not isinstance(error, Exception):
                raise
            logger.exception("the MCP server did not start")
