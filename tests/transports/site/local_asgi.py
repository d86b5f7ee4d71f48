"""The application of a local server: it says which process served."""

from __future__ import annotations

import os
from typing import Any

from django.core.asgi import get_asgi_application

get_asgi_application()

from mcp_guard.asgi import front_door, guard  # noqa: E402 (needs the app registry)


async def served(_scope: Any, _receive: Any, send: Any) -> None:
    """Answer with the number of the process."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})


guarded = guard(served, "local")


async def site(scope: Any, receive: Any, send: Any) -> None:
    """Guard everything; the lifespan protocol is left to the front door."""
    if scope["type"] == "lifespan":
        raise NotImplementedError
    await guarded(scope, receive, send)


application = front_door(site)
