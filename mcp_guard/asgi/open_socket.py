"""A WebSocket behind the gate, from its handshake to its end, whatever goes over it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Hashable, Sequence
from typing import Any, Final

from mcp_guard import gate, wire
from mcp_guard.asgi.admission import Admission
from mcp_guard.asgi.exchange import Receive, Send
from mcp_guard.asgi.sweep import INTERVAL_SECONDS, Sweep, keep
from mcp_guard.asgi.transport import Transport, transport_of
from mcp_guard.audit.calls import SocketCalls
from mcp_guard.audit.sockets import CLOSED, LEFT, SocketRecord
from mcp_guard.conf import config
from mcp_guard.live.connections import connections
from mcp_guard.live.holder import holder
from mcp_guard.live.slots import party, sockets
from mcp_guard.mcp.permit import Permits, Registered
from mcp_guard.passage import Passage, inner_scope
from mcp_guard.policy import reply
from mcp_guard.policy.decision import Admitted, Principal, Reason, Refused
from mcp_guard.policy.endpoint import Endpoint
from mcp_guard.policy.limits import BURST_SECONDS
from mcp_guard.policy.pace import Pace
from mcp_guard.policy.proxies import client_address, network_of

SUBPROTOCOL: Final = "mcp"
"""The subprotocol that is selected when it is offered."""

CLOSE_SECONDS: Final = 2.0
"""How long a client may leave unread that its socket is closed, before the connection is dropped."""

LINGER_SECONDS: Final = 1.0
"""How long a client that sends what nobody takes may take to read why, before its connection is dropped."""

_AT_ONCE: Final = frozenset({4400, 4413, 4415, 4429})
"""Close codes of such clients: nothing is read of them any more, for reading it is work, too."""


NORMAL_CLOSURE: Final = 1000
"""Close code of a socket whose application has ended (RFC 6455 section 7.4.1)."""


_NOBODY: Final = Admitted(Principal())

_EVERYBODY: Final = ()
"""Whose slots all sockets of the process take."""

_FULL: Final = (Reason.SOCKETS_TOO_MANY, Reason.SOCKETS_OF_ADDRESS, Reason.SOCKETS_OF_PRINCIPAL)
"""What it is called when there is none left of everybody's, of an address's, of a principal's."""


class OpenSocket:
    """One WebSocket that lives by its admission: judged, accepted, judged again, closed."""

    _now = staticmethod(time.monotonic)

    weight = 0
    """What the last message that came in takes, as ``policy.limits`` counts it."""

    is_accepted = False
    is_closed = False
    pace: Pace
    _passage: Passage | None = None
    _admission: Admission
    _record: SocketRecord | None = None
    _transport: Transport
    _code = 0
    _outcome = CLOSED
    _received = 0
    _sent = 0
    _held: Sequence[tuple[Hashable, int]] = ()
    _calls: SocketCalls | None = None
    _permits: Permits | None = None
    _unread: asyncio.Future[None] | None = None
    _reader: asyncio.Task[Any] | None = None
    _tasks: set[asyncio.Task[None]] | None = None
    _sweep: Sweep | None = None
    _rechecks = 0

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
    def passage(self) -> Passage:
        """What it carries inwards, as it lives by now; one that awaits its first message is nobody's."""
        admitted = self._admission.admitted or _NOBODY
        if self._passage is None or self._passage.admitted is not admitted:
            self._passage = Passage(self.endpoint.name, self._admission.head, admitted)
        return self._passage

    @property
    def inner_scope(self) -> dict[str, Any]:
        """The scope that the guarded application gets: without credentials, with the principal."""
        return inner_scope(self.scope, self.endpoint, self.passage)

    async def open(self) -> bool:
        """Judge the handshake and accept the socket; return False when it was refused and is closed."""
        if not await self.judge_handshake():
            return False
        self.keep_scope()
        await self.accept()
        return True

    def keep_scope(self) -> None:
        """Keep the scope as it is now while something is waited for: lines of its head are taken by place."""
        self.scope = wire.own(self.scope)

    async def judge_handshake(self) -> bool:
        """Judge the handshake without accepting it; return False when it was refused and is closed."""
        event = await self._receive()
        if event["type"] != "websocket.connect":
            return False
        snapshot = holder.snapshot  # from before: a swap meanwhile is not missed
        judged = gate.judge_scope(self.endpoint, self.scope)
        if isinstance(judged, reply.Reply):
            return await self._turn_away(judged.status)
        if isinstance(judged, Passage):
            self._passage = judged
            now = self._now()
            self._admission = Admission(self.endpoint, judged.head, judged.admitted, snapshot, now)
            reason = self._take_slots(judged)
        else:
            self._admission = Admission(self.endpoint, judged.head, snapshot=snapshot)
            refused = await self._admission.judge_handshake(judged.judged)
            reason = self._take_slots(self.passage) if refused is None else refused.reason
            now = self._now()
        if reason is not None:
            gate.note(self.endpoint, self._admission.head, reason)
            return await self._turn_away(reply.close_code(reason))
        self.pace = Pace(self.endpoint.limits, now)
        self._transport = transport_of(self.scope.get(wire.SERVER_SEND, self._send))
        return True

    async def _turn_away(self, code: int) -> bool:
        """Close a socket that is not let in; return False."""
        self.is_closed = True
        await self._send({"type": "websocket.close", "code": code})
        return False

    def _take_slots(self, passage: Passage) -> Reason | None:
        """Take what a socket takes of the process, or return what there is too much of."""
        wanted = passage.slots
        if wanted is None:
            wanted = passage.slots = self._slots_of(passage)
        full = sockets.take_each(wanted)
        if full is not None:
            return _FULL[full]
        self._held = wanted
        return None

    def _slots_of(self, passage: Passage) -> Sequence[tuple[Hashable, int]]:
        """Return which slots a socket takes; what is recalled of it is of the same settings."""
        settings = config()
        network = network_of(client_address(passage.head, self.endpoint))
        everybody = (_EVERYBODY, settings.sockets)
        address = (network or None, settings.sockets_per_address)
        if passage.admitted is _NOBODY:
            return everybody, address
        return everybody, address, self._slot_of_principal(passage)

    def _take_slot_of_principal(self) -> Reason | None:
        """Do as ``_take_slots`` for a socket whose first message says whose it is."""
        wanted = self._slot_of_principal(self.passage)
        if not sockets.take(*wanted):
            return Reason.SOCKETS_OF_PRINCIPAL
        self._held = (*self._held, wanted)
        return None

    def _slot_of_principal(self, passage: Passage) -> tuple[Hashable, int]:
        if passage.party is None:
            passage.party = party(self.endpoint, passage.head, passage.principal)
        return passage.party, self.endpoint.limits.sockets_per_principal

    async def accept(self) -> None:
        """Accept the handshake, selecting the subprotocol if it was offered."""
        if self.is_closed:  # its client has left meanwhile
            return
        self.is_accepted = True
        admission = self._admission
        offered = admission.head.headers.get(b"sec-websocket-protocol")
        limits = self.endpoint.limits
        size = max(limits.in_flight_bytes, limits.message_bytes)
        try:
            self._transport.bound(limits.messages_per_second * BURST_SECONDS, size)
            self._sweep = keep(self)
            await self._send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL if offered else None})
        except BaseException:
            self._forget()
            raise
        if admission.admitted is not None and not self.is_closed:
            self._open_record(admission.admitted)
            if not admission.is_current:  # policy may have changed before anybody knew of this socket
                self.recheck()

    def _open_record(self, admitted: Admitted) -> None:
        """Record that somebody was let in."""
        record = self._record = SocketRecord(self.endpoint, self._admission.head)
        record.open(admitted.principal)

    async def refuse(self, reason: Reason) -> None:
        """Close the socket because of a refusal, noting it."""
        if not self.is_closed:
            gate.note(self.endpoint, self._admission.later, reason)
            self._outcome = reason.value
            await self.close(reply.close_code(reason))

    async def close(self, code: int = NORMAL_CLOSURE) -> None:
        """Close the socket; what arrives from now on is dropped."""
        if self.is_closed:
            return
        self._code = code
        self._forget()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._send({"type": "websocket.close", "code": code})
        except TimeoutError:  # the client does not read
            self._transport.abort()
        finally:
            self._transport.mute()
            if code in _AT_ONCE:
                self._transport.hush()
                asyncio.get_running_loop().call_later(LINGER_SECONDS, self._transport.abort)
            if self._reader is not None and self._reader is not asyncio.current_task():
                self._reader.cancel()

    def look(self, now: float) -> None:
        """Close the socket if it has been open for too long, or waits for its client for too long.

        Judge it again when what it was admitted by expires: only for the last second there is a timer.
        """
        if self.is_closed:
            return
        reason = self._overdue(now)
        if reason is Reason.PEER_NOT_READING:
            self._drop(reason)
        elif reason is not None:
            self.keep(self.refuse(reason))
        elif not self._rechecks:
            seconds = self._admission.seconds_left
            if seconds is not None and seconds <= INTERVAL_SECONDS:  # the next look would come after it
                asyncio.get_running_loop().call_later(seconds, self.recheck)

    def _overdue(self, now: float) -> Reason | None:
        """Return which bound of time is exceeded, None when none is."""
        seconds = self.endpoint.limits.first_message_seconds
        if self.admitted is None and self.pace.is_open_for(seconds, now):
            return Reason.AUTHENTICATION_TIMEOUT
        return self.pace.overdue(now)

    def recheck(self) -> None:
        """Judge the socket again, as a change of policy or a deadline asks for.

        One that awaits its first message is left alone: that message is judged anyway.
        """
        if self.is_closed or self.admitted is None or self._admission.stands:
            return
        self._rechecks += 1
        self.keep(self._recheck())

    def doubt(self) -> None:
        """Judge the socket again, whatever the policy says."""
        self._admission.doubt()
        self.recheck()

    def keep(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something for the socket that nobody waits for."""
        task = asyncio.get_running_loop().create_task(work)
        tasks = self._tasks = self._tasks or set()
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def _drop(self, reason: Reason) -> None:
        """Drop the connection without a close frame, which its client would not read either."""
        gate.note(self.endpoint, self._admission.later, reason)
        self._outcome = reason.value
        self._forget()
        self._transport.mute()
        self._transport.abort()
        if self._reader is not None:
            self._reader.cancel()

    async def _recheck(self) -> None:
        try:
            judged = await self._admission.judge_open()
        finally:
            self._rechecks -= 1
        if isinstance(judged, Refused):
            await self.refuse(judged.reason)

    def _has_ended(self) -> bool:
        """Whether the socket was closed meanwhile, by another task perhaps."""
        return self.is_closed

    def _forget(self) -> None:
        self.is_closed = True
        connections.discard(self)
        if self._sweep is not None:
            self._sweep.discard(self)
        held, self._held = self._held, ()
        sockets.release_each(held)
        if self._calls is not None:
            self._calls.abandon()
        record = self._record
        if record is not None:
            record.outcome, record.code = self._outcome, self._code
            record.received, record.sent = self._received, self._sent
            record.close()

    def _leave(self, code: int | None) -> None:
        """Let go of a socket that its client closed, with this code of RFC 6455 section 7.4, or lost.

        One that was closed here has its outcome: servers say that the client has left then, too.
        """
        if self.is_closed:
            return
        self._outcome, self._code = LEFT, code or 1005
        self._forget()
