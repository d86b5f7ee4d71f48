"""A WebSocket behind the gate: handshake, every message and every push are judged.

A socket is admitted by its handshake or by its first message, and keeps what it was admitted with. While
neither the snapshot nor a deadline has moved, that judgement stands; afterwards the next message, the next
push or the change itself judges again. Nothing that was sent behind a close reaches the application.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from mcp_guard import gate, wire
from mcp_guard.asgi.exchange import Event, Receive, Send
from mcp_guard.live.connections import connections
from mcp_guard.live.holder import holder
from mcp_guard.mcp import jsonrpc
from mcp_guard.mcp.permit import Registered, permit_message
from mcp_guard.passage import Passage, inner_scope
from mcp_guard.policy import reply
from mcp_guard.policy.credential import NO_CREDENTIAL, Presented
from mcp_guard.policy.decision import Admitted, AwaitsMessage, Principal, Reason, Refused
from mcp_guard.policy.endpoint import Carrier, Endpoint
from mcp_guard.policy.facts import Exchange
from mcp_guard.policy.snapshot import Snapshot

SUBPROTOCOL = "mcp"
"""The subprotocol that is selected when it is offered."""

GOING_AWAY = 1000
"""Close code of a socket whose application has ended."""


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
        self._receive = receive
        self._send = send
        self._registered = registered
        self._handshake = wire.from_scope(scope, endpoint)
        self._head = self._handshake._replace(exchange=Exchange.MESSAGE)
        self._presented: Presented = NO_CREDENTIAL
        self._admitted: Admitted | None = None
        self._snapshot: Snapshot | None = None
        self._reader: asyncio.Task[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_accepted = False
        self.is_closed = False

    @property
    def admitted(self) -> Admitted | None:
        """The decision the socket lives by; None until a message has authenticated it."""
        return self._admitted

    @property
    def principal(self) -> Principal:
        """Who the socket acts for; the anonymous principal until a message has authenticated it."""
        return Principal() if self._admitted is None else self._admitted.principal

    @property
    def inner_scope(self) -> dict[str, Any]:
        """The scope that the guarded application gets: without credentials, with the principal."""
        admitted = self._admitted or Admitted(Principal())
        return inner_scope(self.scope, self.endpoint, Passage(self.endpoint.name, self._handshake, admitted))

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
        self._presented = gate.present(self._handshake, self.endpoint)
        snapshot = holder.snapshot
        judged = gate.judge(self.endpoint, self._handshake, self._presented)
        settled = await gate.asettle(self.endpoint, self._handshake, judged, self._presented)
        if isinstance(settled, Refused):
            gate.note(self.endpoint, self._handshake, settled.reason)
            self.is_closed = True
            await self._send({"type": "websocket.close", "code": reply.close_code(settled.reason)})
            return False
        if isinstance(settled, Admitted):
            self._admit(settled, self._presented, snapshot)
        return True

    async def accept(self) -> None:
        """Accept the handshake, selecting the subprotocol if it was offered."""
        offered = self._handshake.headers.get(b"sec-websocket-protocol")
        self.is_accepted = True
        connections.add(self)
        await self._send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL if offered else None})

    def __aiter__(self) -> AsyncIterator[jsonrpc.Message]:
        """Return the iterator over the messages."""
        return self._messages()

    async def _messages(self) -> AsyncIterator[jsonrpc.Message]:
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
            message = self._parse(event)
            if isinstance(message, jsonrpc.Message):
                message = await self._judge(message)
            if isinstance(message, jsonrpc.Message):
                return message
            if isinstance(message, Refused):
                await self.refuse(message.reason)
                return None

    async def send_text(self, text: str) -> bool:
        """Push a text to the client; return False when the socket is closed, or is closed by judging this."""
        if self.is_closed:
            return False
        if not self._stands():
            refused = await self._judge_again()
            if refused is not None:
                await self.refuse(refused.reason)
                return False
        await self._send({"type": "websocket.send", "text": text})
        return True

    async def refuse(self, reason: Reason) -> None:
        """Close the socket because of a refusal, noting it."""
        if not self.is_closed:
            gate.note(self.endpoint, self._head, reason)
            await self.close(reply.close_code(reason))

    async def close(self, code: int = GOING_AWAY) -> None:
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
        """Judge the socket again, as a change of policy or a deadline asks for."""
        if self.is_closed or self._admitted is None or self._stands():
            return
        task = asyncio.get_running_loop().create_task(self._recheck())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _recheck(self) -> None:
        refused = await self._judge_again()
        if refused is not None:
            await self.refuse(refused.reason)

    async def _next_event(self) -> Event | None:
        if self.is_closed:
            return None
        wait = self.endpoint.limits.first_message_seconds if self._admitted is None else None
        self._reader = asyncio.current_task()
        try:
            async with asyncio.timeout(wait):
                event = await self._receive()
        except TimeoutError:
            await self.refuse(Reason.AUTHENTICATION_TIMEOUT)
            return None
        except asyncio.CancelledError:
            if not self.is_closed:
                raise
            self._uncancel()
            return None
        finally:
            self._reader = None
        if event["type"] != "websocket.receive":
            self._forget()
            return None
        return None if self.is_closed else event

    def _uncancel(self) -> None:
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()

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
        refused = await self._authenticate(message.bearer)
        if refused is not None:
            return refused
        assert self._admitted is not None
        permitted = permit_message(self._admitted, message, self._registered)
        if isinstance(permitted, Admitted):
            return message
        correlation_id = gate.note(self.endpoint, self._head, permitted.reason)
        if message.kind is jsonrpc.Kind.REQUEST:
            await self.send_text(_error(message.id, permitted, correlation_id))
        return None

    async def _authenticate(self, bearer: jsonrpc.Bearer) -> Refused | None:
        match bearer:
            case jsonrpc.BearerText(text) if self._takes_message_tokens:
                return await self._admit_by(gate.present_text(text))
            case jsonrpc.NoBearer():
                pass
            case _:
                return Refused(Reason.CREDENTIAL_MALFORMED)
        if self.endpoint.token_every_message and not self.endpoint.ignores_credentials:
            return Refused(Reason.CREDENTIAL_MISSING)
        if self._admitted is None:
            return await self._admit_by(NO_CREDENTIAL)
        return None if self._stands() else await self._judge_again()

    @property
    def _takes_message_tokens(self) -> bool:
        return Carrier.MESSAGE in self.endpoint.ws_credentials and not self.endpoint.ignores_credentials

    async def _admit_by(self, presented: Presented) -> Refused | None:
        """Admit the socket by a credential; a socket acts for one principal as long as it lives."""
        if presented == self._presented and self._admitted is not None and self._stands():
            return None
        snapshot = holder.snapshot
        judged = gate.judge(self.endpoint, self._head, presented)
        settled = await gate.asettle(self.endpoint, self._head, judged, presented)
        if not isinstance(settled, Admitted):
            return settled if isinstance(settled, Refused) else Refused(Reason.CREDENTIAL_MISSING)
        if self._admitted is not None and settled.principal.identity != self._admitted.principal.identity:
            return Refused(Reason.PRINCIPAL_CHANGED)
        self._admit(settled, presented, snapshot)
        return None

    async def _judge_again(self) -> Refused | None:
        return await self._admit_by(self._presented)

    def _stands(self) -> bool:
        """Whether the last judgement still holds: same snapshot, deadline not reached."""
        admitted = self._admitted
        if admitted is None or self._snapshot is not holder.snapshot or holder.is_behind:
            return False
        return not admitted.until or holder.now() < admitted.until

    def _admit(self, admitted: Admitted, presented: Presented, snapshot: Snapshot) -> None:
        """Live by a decision; the snapshot was taken before judging, so a swap meanwhile is not missed."""
        self._admitted, self._presented, self._snapshot = admitted, presented, snapshot
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if admitted.until:
            seconds = min(max(0.0, admitted.until - holder.now()) + 0.01, 86400.0)
            self._timer = asyncio.get_running_loop().call_later(seconds, self.recheck)

    def _forget(self) -> None:
        self.is_closed = True
        connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()


def _error(identifier: jsonrpc.RequestId | None, refused: Refused, correlation_id: str) -> str:
    operation = refused.operation
    data = {"correlation_id": correlation_id, "scope": "" if operation is None else operation.grant}
    error = {"code": reply.REFUSAL_CODE, "message": reply.message(refused.reason), "data": data}
    return json.dumps({"jsonrpc": "2.0", "id": identifier, "error": error})
