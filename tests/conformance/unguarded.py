"""The suite's server on its own: no gate, and the SDK's check of Host and Origin off, as is its default."""

from __future__ import annotations

import asyncio

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from tests.conformance.server import KEPT_EVENTS, RETRY_MILLISECONDS, SERVER

manager = StreamableHTTPSessionManager(SERVER, event_store=KEPT_EVENTS, retry_interval=RETRY_MILLISECONDS)
started = asyncio.Event()
holding: list[asyncio.Task[None]] = []


async def hold() -> None:
    """Run the manager in a task of its own; not every server says when it starts and stops."""
    async with manager.run():
        started.set()
        await asyncio.Event().wait()


async def application(scope, receive, send):
    if not holding:
        holding.append(asyncio.create_task(hold()))
    await started.wait()
    await manager.handle_request(scope, receive, send)
