"""A guard around any ASGI application: its HTTP requests and its WebSockets pass one gate."""

from __future__ import annotations

from typing import Any

from mcp_guard import conf, gate, mounts, wire
from mcp_guard.asgi import relay
from mcp_guard.asgi.answer import Answer
from mcp_guard.asgi.exchange import Disconnected, Receive, Send, read_body, replay, send_reply, without_body
from mcp_guard.asgi.websocket import GuardedSocket
from mcp_guard.mcp.permit import Registered, permit_body
from mcp_guard.passage import Passage, inner_scope, of_scope
from mcp_guard.policy.content import has_body
from mcp_guard.policy.decision import Admitted, Refused
from mcp_guard.policy.endpoint import Endpoint, Messages


def guard(app: Any, endpoint: str, *, registered: Registered | None = None) -> Guard:
    """Return the application behind the gate of an endpoint.

    ``registered`` tells which MCP methods the application handles, where that is known; the others are
    then forwarded, so that it can say that it does not know them.

    Raises:
        ImproperlyConfigured: when the settings declare no such endpoint.
    """
    conf.endpoint(endpoint)
    mounts.declare(endpoint, "asgi")
    return Guard(app, endpoint, registered)


class Guard:
    """An ASGI application behind the gate of one endpoint."""

    def __init__(self, app: Any, endpoint: str, registered: Registered | None = None) -> None:
        self.app = app
        self.endpoint = endpoint
        self.registered = registered

    async def __call__(self, scope: wire.Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        endpoint = conf.endpoint(self.endpoint)
        if "headers" in scope:  # servers may add trailers to the list while the body comes in
            scope = {**scope, "headers": list(scope["headers"])}
        match scope["type"]:
            case "http":
                await self._serve(endpoint, scope, receive, send)
            case "websocket":
                socket = GuardedSocket(scope, receive, send, endpoint=endpoint, registered=self.registered)
                await relay.serve(self.app, socket)
            case "lifespan":
                await self.app(scope, receive, send)
            case unknown:
                raise ValueError(f"a guard judges http and websocket, not {unknown!r}")

    async def _serve(self, endpoint: Endpoint, scope: wire.Scope, receive: Receive, send: Send) -> None:
        passage = of_scope(scope, endpoint)
        is_judged = passage is not None
        if passage is None:
            head = wire.from_scope(scope, endpoint)
            judged = gate.judge(endpoint, head)
            settled = judged if isinstance(judged, Admitted) else await gate.asettle(endpoint, head, judged)
            if not isinstance(settled, Admitted):
                await send_reply(send, gate.answer(endpoint, head, settled))
                return
            passage = Passage(endpoint.name, head, settled)
        if has_body(passage.head):
            body = await self._judge_body(endpoint, passage, receive, send)
            if body is None:
                return
            receive = replay(body, receive)
        elif endpoint.messages is Messages.MCP:
            receive = without_body(receive)
        inner = inner_scope(scope, endpoint, passage)
        if is_judged:  # whoever judged it stamps and watches the answer
            await self.app(inner, receive, send)
        else:
            await Answer(endpoint, passage, receive, send).serve(self.app, inner)

    async def _judge_body(
        self, endpoint: Endpoint, passage: Passage, receive: Receive, send: Send
    ) -> bytes | None:
        """Return the body of a request that may go on, None for one that was answered or went away."""
        admitted = passage.admitted
        try:
            body = await read_body(receive, endpoint.limits.body_bytes, admitted.cors)
        except Disconnected:
            return None
        if not isinstance(body, Refused):
            permitted = permit_body(admitted, endpoint, passage.head, body, self.registered)
            if isinstance(permitted, Admitted):
                return body
            body = permitted
        await send_reply(send, gate.answer(endpoint, passage.head, body))
        return None
