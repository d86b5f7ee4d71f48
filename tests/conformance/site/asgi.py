"""The guarded site. In front of it stands what the suite lacks: something that presents a token."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

django = get_asgi_application()

from mcp_guard.asgi import front_door  # noqa: E402 (needs the app registry)
from tests.conformance.site.mounts import mounted, viewed  # noqa: E402

TOKEN = os.environ["CONFORMANCE_TOKEN"].encode()


async def serve(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    else:
        await (mounted if scope["path"] == "/mcp" else django)(scope, receive, send)


async def lifespan(receive, send):
    while (await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    await mounted.aclose()
    await viewed.aclose()
    await send({"type": "lifespan.shutdown.complete"})


guarded = front_door(serve)


async def application(scope, receive, send):
    """Present the token in the name of a client that presents nothing."""
    if scope["type"] == "http" and all(name != b"authorization" for name, _ in scope["headers"]):
        scope = {**scope, "headers": [*scope["headers"], (b"authorization", b"Bearer " + TOKEN)]}
    await guarded(scope, receive, send)
