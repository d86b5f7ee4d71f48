"""The application of the stack that this process serves."""

from __future__ import annotations

from typing import Any

import django

from benchmarks import stacks

STACK = stacks.of_process()


def _allow_by_row(sender: Any, request: Any, **_: Any) -> bool:  # noqa: ARG001 (a receiver's signature)
    """Allow what a row lists: the way that django-cors-headers names for origins in a database."""
    from mcp_guard.models import AllowedOrigin

    return bool(AllowedOrigin.objects.filter(origin=request.headers.get("origin", ""), active=True).exists())


def set_up() -> None:
    """Set Django up."""
    django.setup()
    if STACK.cors == "signal":
        from corsheaders.signals import check_request_enabled

        check_request_enabled.connect(_allow_by_row)


def asgi() -> Any:
    """Return the ASGI application."""
    set_up()
    from benchmarks.site.bound import BoundHTTP
    from mcp_guard.asgi import front_door, guard

    if STACK.base == "socket":
        from channels.routing import ProtocolTypeRouter

        from benchmarks.site import sockets

        return ProtocolTypeRouter({"websocket": sockets.application(STACK)})
    app = _base()
    if STACK.guard == "bound":
        return BoundHTTP(app, STACK.origins, STACK.tokens)
    if STACK.guard == "front door":
        return front_door(app)
    return guard(app, endpoint="benchmarks") if STACK.guard == "mcp_guard" else app


def _base() -> Any:
    if STACK.base == "null":
        from benchmarks.site.views import null

        return null
    if STACK.base == "starlette":
        from benchmarks.site import starlette_app

        return starlette_app.application(STACK)
    from django.core.handlers.asgi import ASGIHandler

    return ASGIHandler()
