"""The front door: the outermost application, which answers refusals and preflights before Django runs.

It finds the view by the resolution that will dispatch the request, and guards Django for it: head and message
are judged here, and what is let in carries that, so that the middleware judges neither again. Applications
mounted beside Django have their own guard.
"""

from __future__ import annotations

from typing import Any

from mcp_guard import conf, server_process, wire
from mcp_guard.asgi.exchange import Receive, Send
from mcp_guard.asgi.guard import Guard
from mcp_guard.asgi.lifespan import serve_lifespan
from mcp_guard.http.locate import locate


def front_door(app: Any) -> FrontDoor:
    """Return the application with the front door before it; it has to be the outermost one.

    Raises:
        ImproperlyConfigured: when an endpoint is local and the server listens beyond the loopback interface.
    """
    return FrontDoor(app)


class FrontDoor:
    """An ASGI application that judges requests to guarded views before anything else runs."""

    def __init__(self, app: Any) -> None:
        self.app = app
        server_process.prepare()

    async def __call__(self, scope: wire.Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        match scope["type"]:
            case "http":
                location = locate(_path_info(scope))
                scope = _outer(scope)
                if location is not None:
                    name, behind, is_ticket = location.endpoint, location.behind, location.is_ticket
                    await Guard(self.app, name, behind, is_ticket=is_ticket)(scope, receive, send)
                    return
            case "websocket":
                scope = _outer(scope)
                scope[wire.SERVER_SEND] = send  # what is between here and the guard may wrap it
            case "lifespan":
                await serve_lifespan(self.app, scope, receive, send)
                return
        await self.app(scope, receive, send)


def _outer(scope: wire.Scope) -> dict[str, Any]:
    """Return a scope of the door's own, which says what the server handed over whatever becomes of it."""
    return {**scope, wire.OUTER_ROOT_PATH: scope.get("root_path", "")}


def _path_info(scope: wire.Scope) -> str:
    """Return the path below the script prefix, as Django's handler takes it."""
    prefix = conf.forced_script_name() or scope.get("root_path", "")
    path: str = scope["path"]
    return path.removeprefix(prefix) if prefix else path
