"""The front door: the outermost application, which answers refusals and preflights before Django runs.

It finds the view by the resolution that will dispatch the request and judges the head. What it lets in
carries the decision, which the middleware reuses. Applications mounted beside Django have their own guard.
"""

from __future__ import annotations

from typing import Any

from django.core.handlers.asgi import get_script_prefix

from mcp_guard import conf, gate, wire
from mcp_guard.asgi.answer import Answer
from mcp_guard.asgi.exchange import Disconnected, Receive, Send, read_body, replay, send_reply
from mcp_guard.http.locate import locate
from mcp_guard.passage import KEY, Passage, inward
from mcp_guard.policy.content import has_body
from mcp_guard.policy.decision import Admitted, Refused
from mcp_guard.policy.endpoint import Endpoint


def front_door(app: Any) -> FrontDoor:
    """Return the application with the front door before it; it has to be the outermost one."""
    return FrontDoor(app)


class FrontDoor:
    """An ASGI application that judges requests to guarded views before anything else runs."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: wire.Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        scope = {**scope, "headers": list(scope["headers"])}  # servers may add trailers to the list
        scope[wire.OUTER_ROOT_PATH] = scope.get("root_path", "")
        location = locate(_path_info(scope)) if scope["type"] == "http" else None
        if location is None:
            await self.app(scope, receive, send)
            return
        await self._serve(conf.endpoint(location.endpoint), scope, receive, send)

    async def _serve(self, endpoint: Endpoint, scope: wire.Scope, receive: Receive, send: Send) -> None:
        head = wire.from_scope(scope, endpoint)
        judged = gate.judge(endpoint, head)
        settled = judged if isinstance(judged, Admitted) else await gate.asettle(endpoint, head, judged)
        if not isinstance(settled, Admitted):
            await send_reply(send, gate.answer(endpoint, head, settled))
            return
        passage = Passage(endpoint.name, head, settled)
        scope[KEY] = inward(passage, endpoint)
        if has_body(head):  # Django would spool it, however large, before anybody could refuse it
            try:
                body = await read_body(receive, endpoint.limits.body_bytes, settled.cors)
            except Disconnected:
                return
            if isinstance(body, Refused):
                await send_reply(send, gate.answer(endpoint, head, body))
                return
            receive = replay(body, receive)
        await Answer(endpoint, passage, receive, send).serve(self.app, scope)


def _path_info(scope: wire.Scope) -> str:
    """Return the path below the script prefix, as Django's handler takes it."""
    return str(scope["path"]).removeprefix(get_script_prefix(scope))
