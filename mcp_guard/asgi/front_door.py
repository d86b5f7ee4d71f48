"""The front door: the outermost application, which answers refusals and preflights before Django runs.

It finds the view by the resolution that will dispatch the request and judges the head. What it lets in
carries the decision, which the middleware reuses. Applications mounted beside Django have their own guard.
"""

from __future__ import annotations

from typing import Any

from mcp_guard import conf, gate, server_process, wire
from mcp_guard.asgi.answer import Answer
from mcp_guard.asgi.exchange import Receive, Send, hand_out_ticket, send_reply, settle_head
from mcp_guard.asgi.lifespan import serve_lifespan
from mcp_guard.http.locate import Location, locate
from mcp_guard.live.calls import CALL_KEY
from mcp_guard.mcp.listing import lists_of
from mcp_guard.passage import KEY, Passage
from mcp_guard.policy.content import has_body
from mcp_guard.policy.endpoint import Endpoint
from mcp_guard.policy.reply import Reply


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
                if location is not None:
                    await self._serve(location, scope, receive, send)
                    return
                scope = _outer(scope)
            case "websocket":
                scope = _outer(scope)
                scope[wire.SERVER_SEND] = send  # what is between here and the guard may wrap it
            case "lifespan":
                await serve_lifespan(self.app, scope, receive, send)
                return
        await self.app(scope, receive, send)

    async def _serve(self, location: Location, scope: wire.Scope, receive: Receive, send: Send) -> None:
        endpoint = conf.endpoint(location.endpoint)
        judged = gate.judge_scope(endpoint, scope)
        if isinstance(judged, Reply):
            await send_reply(send, judged)
            return
        scope = _outer(scope)
        passage = judged if isinstance(judged, Passage) else await settle_head(endpoint, judged, send)
        if passage is None:
            return
        if location.is_ticket:
            await hand_out_ticket(endpoint, passage, receive, send)
            return
        answer = Answer(endpoint, passage, receive, send)
        try:
            await self._answer(endpoint, passage, scope, answer)
        finally:
            answer.leave()

    async def _answer(self, endpoint: Endpoint, passage: Passage, scope: wire.Scope, answer: Answer) -> None:
        """Run Django; with a body, the middleware knows what is asked, and it takes the slot of the call."""
        if has_body(passage.head):  # Django would spool it, however large, before anybody could refuse it
            if await answer.take_body() is None:
                return
        else:
            lists = lists_of(endpoint, passage.head, passage.admitted, None)
            if lists is not None:
                answer.restrict(lists)
        scope[KEY] = passage.inward(endpoint)
        scope[CALL_KEY] = answer.call
        await answer.serve(self.app, scope)


def _outer(scope: wire.Scope) -> dict[str, Any]:
    """Return a scope of the door's own, which says what the server handed over whatever becomes of it."""
    return {**wire.own(scope), wire.OUTER_ROOT_PATH: scope.get("root_path", "")}


def _path_info(scope: wire.Scope) -> str:
    """Return the path below the script prefix, as Django's handler takes it."""
    prefix = conf.forced_script_name() or scope.get("root_path", "")
    path: str = scope["path"]
    return path.removeprefix(prefix) if prefix else path
