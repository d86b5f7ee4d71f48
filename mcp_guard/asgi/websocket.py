"""A WebSocket behind the gate: handshake, every message and every push are judged.

Nothing that a client sent behind a close reaches the application, and nothing that the application sends
reaches a client that may not have it any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

from mcp_guard import gate, wire
from mcp_guard.asgi.admission import Admission
from mcp_guard.asgi.exchange import Event, Receive, Send
from mcp_guard.live.connections import connections
from mcp_guard.mcp import jsonrpc
from mcp_guard.mcp.permit import Registered, permit_message
from mcp_guard.passage import Passage, inner_scope
from mcp_guard.policy import reply
from mcp_guard.policy.decision import Admitted, Principal, Reason, Refused
from mcp_guard.policy.endpoint import Endpoint

SUBPROTOCOL: Final = "mcp"
"""The subprotocol that is selected when it is offered."""

NORMAL_CLOSURE: Final = 1000
"""Close code of a socket whose application has ended (RFC 6455 section 7.4.1)."""


class GuardedSocket:
    """One WebSocket. Iterating yields the judged messages and ends when the socket is closed."""

    def __init__(
        self,
        scope: wire.Scope,
        receive: Receive,
        send: Send,
        *,
        endpoint: Endpoint,
        registered: Registered | None = None,
    ) -> None:
        self.scope = scope
        self.endpoint = endpoint
        self.is_accepted = False
        self.is_closed = False
        self._receive = receive
        self._send = send
        self._registered = registered
        self._admission = Admission(endpoint, wire.from_scope(scope, endpoint))
        self._reader: asyncio.Task[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def admitted(self) -> Admitted | None:
        """The decision the socket lives by; None until a message has authenticated it."""
        return self._admission.admitted

    @property
    def principal(self) -> Principal:
        """Who the socket acts for; the anonymous principal until a message has authenticated it."""
        return Principal() if self.admitted is None else self.admitted.principal

    @property
    def client(self) -> str:
        """The client whose socket it is; empty until a message has authenticated it."""
        return self.principal.client

    @property
    def session_key(self) -> str:
        """The session it was admitted by; empty when it was none."""
        return self._admission.session_key

    @property
    def user_id(self) -> int | None:
        """The user it acts for."""
        return self.principal.user_id

    @property
    def inner_scope(self) -> dict[str, Any]:
        """The scope that the guarded application gets: without credentials, with the principal."""
        admitted = self.admitted or Admitted(Principal())
        passage = Passage(self.endpoint.name, self._admission.head, admitted)
        return inner_scope(self.scope, self.endpoint, passage)

    async def open(self) -> bool:
        """Judge the handshake and accept the socket; return False when it was refused and is closed."""
        if not await self.judge_handshake():
            return False
        await self.accept()
        return True

    async def judge_handshake(self) -> bool:
        """Judge the handshake without accepting it; return False when it was refused and is closed."""
        event = await self._receive()
        if event["type"] != "websocket.connect":
            return False
        refused = await self._admission.judge_handshake()
        if refused is None:
            return True
        gate.note(self.endpoint, self._admission.head, refused.reason)
        self.is_closed = True
        await self._send({"type": "websocket.close", "code": reply.close_code(refused.reason)})
        return False

    async def accept(self) -> None:
        """Accept the handshake, selecting the subprotocol if it was offered."""
        offered = self._admission.head.headers.get(b"sec-websocket-protocol")
        self.is_accepted = True
        connections.add(self)
        self._watch_deadline()
        try:
            await self._send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL if offered else None})
        except BaseException:
            self._forget()
            raise
        self.recheck()  # policy may have changed before anybody knew of this socket

    async def __aiter__(self) -> AsyncIterator[jsonrpc.Message]:
        """Yield the messages until the socket is closed."""
        while (message := await self.receive()) is not None:
            yield message

    async def receive(self) -> jsonrpc.Message | None:
        """Return the next message that may go to the application, None when the socket is closed.

        A request without the grant it needs is answered with a JSON-RPC error; the socket stays open.
        """
        while True:
            event = await self._next_event()
            if event is None:
                return None
            parsed = self._parse(event)
            judged = parsed if isinstance(parsed, Refused) else await self._judge(parsed)
            if isinstance(judged, Refused):
                await self.refuse(judged.reason)
            if self._has_ended():
                return None
            if isinstance(judged, jsonrpc.Message):
                return judged

    async def send_text(self, text: str) -> bool:
        """Push a text; return False when the socket is closed, or is closed by judging this push."""
        if self.is_closed:
            return False
        if not self._admission.stands:
            judged = await self._admission.judge_again()
            if isinstance(judged, Refused):
                await self.refuse(judged.reason)
            if self._has_ended():
                return False
        await self._send({"type": "websocket.send", "text": text})
        return True

    async def refuse(self, reason: Reason) -> None:
        """Close the socket because of a refusal, noting it."""
        if not self.is_closed:
            gate.note(self.endpoint, self._admission.later, reason)
            await self.close(reply.close_code(reason))

    async def close(self, code: int = NORMAL_CLOSURE) -> None:
        """Close the socket; what arrives from now on is dropped."""
        if self.is_closed:
            return
        self._forget()
        try:
            await self._send({"type": "websocket.close", "code": code})
        finally:
            if self._reader is not None and self._reader is not asyncio.current_task():
                self._reader.cancel()

    def recheck(self) -> None:
        """Judge the socket again, as a change of policy or a deadline asks for.

        One that awaits its first message is left alone: that message is judged anyway.
        """
        if self.is_closed or self.admitted is None or self._admission.stands:
            return
        task = asyncio.get_running_loop().create_task(self._recheck())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def doubt(self) -> None:
        """Judge the socket again, whatever the policy says."""
        self._admission.doubt()
        self.recheck()

    async def _recheck(self) -> None:
        judged = await self._admission.judge_open()
        if isinstance(judged, Refused):
            await self.refuse(judged.reason)
        else:
            self._watch_deadline()

    async def _next_event(self) -> Event | None:
        if self._has_ended():
            return None
        wait = self.endpoint.limits.first_message_seconds if self.admitted is None else None
        self._reader = asyncio.current_task()
        try:
            async with asyncio.timeout(wait):
                event = await self._receive()
        except TimeoutError:
            await self.refuse(Reason.AUTHENTICATION_TIMEOUT)
            return None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self._has_ended() or task is None:
                raise
            task.uncancel()
            return None
        finally:
            self._reader = None
        if event["type"] != "websocket.receive":
            self._forget()
            return None
        return None if self._has_ended() else event

    def _has_ended(self) -> bool:
        """Whether the socket was closed meanwhile, by another task perhaps."""
        return self.is_closed

    def _parse(self, event: Event) -> jsonrpc.Message | Refused:
        text = event.get("text")
        if text is None:
            return Refused(Reason.MESSAGE_NOT_TEXT)
        limit = self.endpoint.limits.message_bytes
        if len(text) > limit or (len(text) * 4 > limit and len(text.encode("utf-8", "replace")) > limit):
            return Refused(Reason.MESSAGE_TOO_LARGE)
        message = jsonrpc.parse(text)
        return Refused(Reason.MESSAGE_MALFORMED) if isinstance(message, jsonrpc.Malformed) else message

    async def _judge(self, message: jsonrpc.Message) -> jsonrpc.Message | Refused | None:
        """Return the message, the refusal that ends the socket, or None for one that was answered here."""
        before = self.admitted
        admitted = await self._admission.judge_message(message.bearer)
        if isinstance(admitted, Refused):
            return admitted
        if admitted is not before:
            self._watch_deadline()
            self.recheck()
        permitted = permit_message(admitted, message, self._registered)
        if isinstance(permitted, Admitted):
            return message
        correlation_id = gate.note(self.endpoint, self._admission.later, permitted.reason)
        if message.kind is jsonrpc.Kind.REQUEST:
            await self.send_text(reply.error_text(permitted, correlation_id))
        return None

    def _watch_deadline(self) -> None:
        """Have the socket judged again when what it was admitted by expires."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        seconds = self._admission.seconds_left
        if seconds is not None and not self.is_closed:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._deadline)

    def _deadline(self) -> None:
        self._timer = None
        if self._admission.stands:
            self._watch_deadline()
        else:
            self.recheck()

    def _forget(self) -> None:
        self.is_closed = True
        connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
