"""The site as one ASGI application: the control that reflects every origin, the guarded mounts, Django."""

from __future__ import annotations

from typing import Any

from channels.auth import AuthMiddlewareStack
from django.core.asgi import get_asgi_application

django = get_asgi_application()

from starlette.middleware.cors import CORSMiddleware  # noqa: E402 (models need Django to be set up)

from mcp_guard.asgi import guard  # noqa: E402
from tests.victim.site import record  # noqa: E402
from tests.victim.site.tools import Tools  # noqa: E402

MOUNTS: dict[str, Any] = {
    "/control": CORSMiddleware(
        AuthMiddlewareStack(Tools("control")),
        allow_origins=["*"],
        allow_headers=["*"],
        allow_methods=["*"],
        allow_credentials=True,
    ),
    "/partner": guard(Tools("partner"), endpoint="partner"),
    "/public": guard(Tools("public"), endpoint="public"),
}


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Serve a mount by its whole path, and everything else by Django."""
    app = MOUNTS.get(scope["path"]) if scope["type"] in ("http", "websocket") else None
    if app is None:
        await django(scope, receive, send)
        return
    record.arrive(scope)
    await app(scope, receive, send)
