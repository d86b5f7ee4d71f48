"""A guard around any ASGI application: its HTTP requests and its WebSockets pass one gate."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, NamedTuple

from mcp_guard import conf, gate, mounts, ticket_desk, wire
from mcp_guard.asgi import relay
from mcp_guard.asgi.answer import Answer
from mcp_guard.asgi.exchange import (
    Disconnected,
    Receive,
    Send,
    hand_out_ticket,
    read_body,
    replay,
    send_reply,
    settle_head,
    without_body,
)
from mcp_guard.asgi.lists import Restricted, without_files
from mcp_guard.asgi.websocket import GuardedSocket
from mcp_guard.audit import calls
from mcp_guard.live.calls import CALL_KEY, Judged
from mcp_guard.mcp.agreement import InputSchema
from mcp_guard.mcp.jsonrpc import Message
from mcp_guard.mcp.listing import Lists, lists_of
from mcp_guard.mcp.permit import UNKNOWN, Behind, Registered, permit_body
from mcp_guard.passage import KEY, Passage, inner_scope, of_scope
from mcp_guard.policy.decision import Refused
from mcp_guard.policy.endpoint import Endpoint
from mcp_guard.policy.reply import Reply


def guard(
    app: Any,
    endpoint: str,
    *,
    registered: Registered | None = None,
    input_schema: InputSchema | None = None,
) -> Guard:
    """Return the application behind the gate of an endpoint.

    ``registered`` tells which MCP methods the application handles, where that is known; the others are
    then forwarded, so that it can say that it does not know them.

    ``input_schema`` returns what a tool takes, by its name, so that the headers that repeat its arguments can
    be compared with them.

    Raises:
        ImproperlyConfigured: when the settings declare no such endpoint.
    """
    conf.endpoint(endpoint)
    mounts.declare(endpoint, "asgi")
    return Guard(app, endpoint, Behind(registered, input_schema))


class Connection(NamedTuple):
    """What an ASGI application is called with."""

    scope: wire.Scope
    receive: Receive
    send: Send


class Guard:
    """An ASGI application behind the gate of one endpoint.

    ``is_ticket`` is what the front door has located, for which it makes one: whether the request asks for a
    ticket. Elsewhere it is None, and the path tells that.
    """

    def __init__(
        self, app: Any, endpoint: str, behind: Behind = UNKNOWN, *, is_ticket: bool | None = None
    ) -> None:
        self.app = app
        self.endpoint = endpoint
        self.behind = behind
        self.is_ticket = is_ticket

    async def __call__(  # noqa: C901, PLR0912 (a coroutine more for each request costs what its look-up does)
        self, scope: wire.Scope, receive: Receive, send: Send
    ) -> None:
        """Judge a request, and run the application if it is let in; or serve what is no request."""
        endpoint = conf.endpoint(self.endpoint)
        if scope["type"] != "http" or (KEY in scope and of_scope(scope, endpoint) is not None):
            await self._other(endpoint, scope, receive, send)
            return
        judged = gate.judge_scope(endpoint, scope)
        if isinstance(judged, Passage):
            passage = judged
        elif isinstance(judged, Reply):
            await send_reply(send, judged)
            return
        else:
            scope = wire.own(scope)
            settled = await settle_head(endpoint, judged, send)
            if settled is None:
                return
            passage = settled
        inner = inner_scope(scope, endpoint, passage)  # before anything is waited for: servers change headers
        if endpoint.judges_messages and self._asks_for_ticket(endpoint, passage):
            await hand_out_ticket(endpoint, passage, receive, send)
            return
        answer = Answer(endpoint, passage, receive, send)
        try:
            if passage.has_body:
                body = await answer.read_body(receive, endpoint.limits, passage.admitted.cors)
                if isinstance(body, Refused):
                    await answer.refuse(body)
                    return
                answer.body = body
            if endpoint.judges_messages:
                await self._serve_message(endpoint, passage, inner, answer)
            else:
                await self._run(endpoint, passage, inner, answer)
        except Disconnected:
            return
        except asyncio.CancelledError:
            if not answer.is_interrupted():
                raise
        except Exception:
            await answer.fail()
            raise
        finally:
            answer.leave()

    def _asks_for_ticket(self, endpoint: Endpoint, passage: Passage) -> bool:
        if self.is_ticket is None:
            return ticket_desk.serves(passage.head.path, endpoint)
        return self.is_ticket

    def _other(self, endpoint: Endpoint, scope: wire.Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Return what serves a request that another door has let in, or what is no request."""
        match scope["type"]:
            case "websocket":  # no coroutine more than it takes stays with an open one
                registered = self.behind.registered
                socket = GuardedSocket(scope, receive, send, endpoint=endpoint, registered=registered)
                return relay.serve(self.app, socket)
            case "http":
                return self._serve_within(endpoint, scope[KEY], Connection(scope, receive, send))
            case "lifespan":
                served: Awaitable[None] = self.app(scope, receive, send)
                return served
            case unknown:
                raise ValueError(f"a guard judges http and websocket, not {unknown!r}")

    async def _serve_message(
        self, endpoint: Endpoint, passage: Passage, scope: wire.Scope, answer: Answer
    ) -> None:
        message = None
        if answer.body is not None:
            permitted = self._permit(endpoint, passage, answer.body)
            if isinstance(permitted, Refused):
                await answer.refuse(permitted)
                return
            message = permitted
        else:
            answer.drop_body()
        if self.is_ticket is not None:  # the front door's guard, behind which the middleware asks
            answer.call.judged = Judged(answer.body or b"", self.behind)
        audited = calls.begin(endpoint, passage.head, passage.principal, message)
        if audited is None:
            await self._run(endpoint, passage, scope, answer, message)
            return
        answer.record(audited)
        answer.call.recorded = (endpoint.name, message)
        try:
            await self._run(endpoint, passage, scope, answer, message)
        except Exception:
            await answer.fail()  # which the record is to see
            raise
        finally:
            audited.abandon()

    def _run(
        self,
        endpoint: Endpoint,
        passage: Passage,
        scope: wire.Scope,
        answer: Answer,
        message: Message | None = None,
    ) -> Awaitable[None]:
        """Run the application for a request that was let in, in a scope that is its own."""
        refused = answer.call.begin(endpoint, passage, message)
        if refused is not None:
            return answer.refuse(refused)
        if endpoint.judges_messages:
            lists = lists_of(endpoint, passage.head, passage.admitted, message)
            if lists is not None:
                _keep_readable(scope, lists)
                answer.restrict(lists)
        scope[CALL_KEY] = answer.call
        running: Awaitable[None] = self.app(scope, answer.receive, answer.send)
        return running

    async def _serve_within(self, endpoint: Endpoint, passage: Passage, connection: Connection) -> None:
        """Serve what an outer door of the same endpoint has let in; it stamps and watches the answer.

        What stands between them may have changed what is asked, so that is judged again.
        """
        outer, receive, send = connection
        scope = inner_scope(outer, endpoint, passage)
        message = None
        if passage.has_body:
            try:
                body = await read_body(receive, endpoint.limits, passage.admitted.cors)
            except Disconnected:
                return
            permitted = body if isinstance(body, Refused) else self._permit(endpoint, passage, body)
            if isinstance(permitted, Refused):
                await send_reply(send, gate.answer(endpoint, passage.head, permitted))
                return
            message = permitted
            if isinstance(body, bytes):
                receive = replay(body, receive)
        elif endpoint.judges_messages:
            receive = without_body(receive)
        await self._run_within(endpoint, passage, message, Connection(scope, receive, send))

    async def _run_within(
        self, endpoint: Endpoint, passage: Passage, message: Message | None, connection: Connection
    ) -> None:
        scope, receive, send = connection
        call = scope[CALL_KEY]  # every door leaves one with its passage
        refused = call.begin(endpoint, passage, message)
        if refused is not None:
            await send_reply(send, gate.answer(endpoint, passage.head, refused))
            return
        recorded, audited = (endpoint.name, message), None
        if call.recorded != recorded:  # what stands between the doors may have put another call there
            audited = calls.begin(endpoint, passage.head, passage.principal, message)
        if audited is not None:
            send, call.recorded = audited.watched(send), recorded
        lists = lists_of(endpoint, passage.head, passage.admitted, message)
        if lists is not None:
            _keep_readable(scope, lists)
            send = Restricted(lists, lambda: passage.admitted).sender(send)
        try:
            await self.app(scope, receive, send)
        finally:
            if audited is not None:
                audited.abandon()

    def _permit(self, endpoint: Endpoint, passage: Passage, body: bytes) -> Message | Refused | None:
        """Return the message that a body is, where it is read as one, or why the request is refused."""
        permitted = permit_body(passage, endpoint, body, self.behind)
        if isinstance(permitted, Refused):
            calls.refused(endpoint, passage.head, passage.principal, permitted)
        return permitted


def _keep_readable(scope: wire.Scope, lists: Lists) -> None:
    """Have the application not encode an answer that has to be read."""
    if lists.wants_identity:
        scope["headers"] = [header for header in scope["headers"] if header[0] != b"accept-encoding"]
        if scope.get("extensions"):
            scope["extensions"] = without_files(scope["extensions"])
