"""The front door: the outermost application, which answers refusals and preflights before Django runs.

It finds the view by the resolution that will dispatch the request and judges the head. What it lets in
carries the decision, which the middleware reuses. Applications mounted beside Django have their own guard.
"""

from __future__ import annotations

from typing import Any

from mcp_guard import conf, gate, mounts, wire
from mcp_guard.asgi.exchange import Receive, Send, StampedSend, send_reply
from mcp_guard.http.locate import endpoint_of_path
from mcp_guard.passage import KEY, Passage
from mcp_guard.policy import reply
from mcp_guard.policy.decision import Admitted, AwaitsMessage, PreflightGranted, Reason, Refused
from mcp_guard.policy.endpoint import Endpoint


def front_door(app: Any) -> FrontDoor:
    """Return the application with the front door before it; it has to be the outermost one."""
    door = FrontDoor(app)
    mounts.declare_front_door(door)
    return door


class FrontDoor:
    """An ASGI application that judges requests to guarded views before anything else runs."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: wire.Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        scope[wire.OUTER_ROOT_PATH] = scope.get("root_path", "")
        name = endpoint_of_path(_path_info(scope)) if scope["type"] == "http" else None
        if name is None:
            await self.app(scope, receive, send)
            return
        await self._serve(conf.endpoint(name), scope, receive, send)

    async def _serve(self, endpoint: Endpoint, scope: wire.Scope, receive: Receive, send: Send) -> None:
        head = wire.from_scope(scope, endpoint)
        judged = gate.judge(endpoint, head)
        settled = judged if isinstance(judged, Admitted) else await gate.asettle(endpoint, head, judged)
        match settled:
            case Admitted():
                scope[KEY] = Passage(endpoint.name, head, settled)
                await self.app(scope, receive, StampedSend(send, settled))
            case PreflightGranted():
                await send_reply(send, reply.preflight(settled))
            case Refused():
                await send_reply(send, gate.answer(endpoint, head, settled))
            case AwaitsMessage():  # only a handshake gets this
                refused = Refused(Reason.CREDENTIAL_MISSING)
                await send_reply(send, gate.answer(endpoint, head, refused))


def _path_info(scope: wire.Scope) -> str:
    """Return the path below root_path, as Django's handler takes it."""
    path, root = str(scope["path"]), scope.get("root_path", "")
    return path.removeprefix(root) if root else path
