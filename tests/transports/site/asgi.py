"""The site as one ASGI application: Django, guarded applications and consumers, by the first path segment."""

from __future__ import annotations

from typing import Any

from django.core.asgi import get_asgi_application

_django = get_asgi_application()

from mcp_guard.asgi import front_door, guard  # noqa: E402 (what follows needs the app registry)
from tests.rows.configurations import ENDPOINTS  # noqa: E402
from tests.transports.site.applications import Consumer, application  # noqa: E402

_guarded = {name: guard(application, name) for name in ENDPOINTS}
_consumers = {name: Consumer(name) for name in ENDPOINTS}


async def site(scope: Any, receive: Any, send: Any) -> None:
    """Dispatch ``/guard/ENDPOINT/...`` and ``/socket/ENDPOINT/...``; everything else is Django's."""
    _, kind, name, *_ = [*scope["path"].split("/", 3), "", "", ""]
    if kind == "guard":
        await _guarded[name](scope, receive, send)
    elif kind == "socket":
        await _consumers[name](scope, receive, send)
    else:
        await _django(scope, receive, send)


application_behind_front_door = front_door(site)
