"""Start and end of a process, as an ASGI server announces them: what it has seen is written down before.

Some servers end by a signal that runs no exit handlers of Python, so the lifespan protocol is the only
notice there is. https://asgi.readthedocs.io/en/latest/specs/lifespan.html
"""

from __future__ import annotations

import asyncio
from typing import Any

from mcp_guard import nonce
from mcp_guard.asgi.exchange import Event, Receive, Send
from mcp_guard.live.errands import END_SECONDS, recording


async def serve_lifespan(app: Any, scope: Any, receive: Receive, send: Send) -> None:
    """Serve the lifespan of an application; for one that does not know the protocol, it is answered here.

    Such an application, Django's for one, raises or returns before it has received anything.
    """
    has_received = False

    async def received() -> Event:
        nonlocal has_received
        has_received = True
        event = await receive()
        if event["type"] == "lifespan.startup":
            nonce.publish_if_needed()
        return event

    async def sent(event: Event) -> None:
        if event["type"].startswith("lifespan.shutdown."):
            nonce.remove()
            await _write_down()
        await send(event)

    try:
        await app(scope, received, sent)
    except Exception:  # in ASGI's terms: without having received anything, that it has no lifespan
        if has_received:
            raise
    if not has_received:
        await _serve(receive, send)


async def _serve(receive: Receive, send: Send) -> None:
    while True:
        event = await receive()
        if event["type"] == "lifespan.shutdown":
            nonce.remove()
            await _write_down()
            await send({"type": "lifespan.shutdown.complete"})
            return
        nonce.publish_if_needed()
        await send({"type": "lifespan.startup.complete"})


async def _write_down() -> None:
    """End the thread that writes, which does so once more; bounded, and no event loop waits for it."""
    await asyncio.to_thread(recording.stop, END_SECONDS)
