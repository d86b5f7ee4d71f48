"""Answer an admitted request with the inner application: stamped, and ended when it is not admitted any more.

An event stream can stay open for hours. It is judged again after every change of policy, when what it was
admitted by expires, and before an event goes out that no judgement covers any more. Refused, its
application is told that the client has gone, which MCP takes as cancelling the call, and the client sees
the end of the stream. So it goes with a call that takes too long, whose client gets an error besides.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any, Final

from mcp_guard import gate
from mcp_guard.asgi.admission import Admission
from mcp_guard.asgi.exchange import Arrival, Event, Receive, Send, send_reply, without_body
from mcp_guard.asgi.lists import Restricted
from mcp_guard.asgi.sweep import sweep
from mcp_guard.asgi.transport import Transport, transport_of
from mcp_guard.audit import calls
from mcp_guard.live.calls import Call
from mcp_guard.live.connections import connections
from mcp_guard.mcp.listing import Lists
from mcp_guard.passage import Passage
from mcp_guard.policy import reply
from mcp_guard.policy.decision import Admitted, Reason, Refused
from mcp_guard.policy.endpoint import Endpoint
from mcp_guard.policy.reply import Header
from mcp_guard.policy.stamp import stamped_headers

GRACE_SECONDS: Final = 2.0
"""How long an application may take to end after its stream was ended, before it is cancelled."""

_now = time.monotonic

_CONTENT_TYPE: Final = b"content-type"

_kept: Final[set[asyncio.Task[None]]] = set()
"""Tasks that nobody else holds."""

_FAILED: Final = b'{"jsonrpc": "2.0", "id": null, "error": {"code": -32603, "message": "Internal error"}}'
_DISCONNECT: Final = {"type": "http.disconnect"}


class Answer(Arrival):
    """One exchange that was let in: its body, and the answer of the inner application.

    Most answers are short, so what only a long one needs is made when it turns out to be one.
    """

    _admission: Admission | None = None
    body: bytes | None = None
    """What the application gets as its body; None once it has it, or where it gets what the server sends."""
    _connection: Transport | None = None
    _grace: asyncio.TimerHandle | None = None
    _has_started = False
    _is_ended = False
    _restricted: Restricted | None = None
    _sending_since = 0.0
    _timer: asyncio.TimerHandle | None = None

    def __init__(self, endpoint: Endpoint, passage: Passage, receive: Receive, send: Send) -> None:
        self._endpoint = endpoint
        self._passage = passage
        self._receive = receive
        self._raw_send = self._send = send
        self._began_at = _now()
        loop = asyncio.get_running_loop()
        self._server = asyncio.current_task(loop)
        self.call = Call()
        self._sweep = sweep(loop)
        self._sweep.add(self)

    def drop_body(self) -> None:
        """Give the application an empty body, whatever is sent."""
        self._receive = without_body(self._receive)

    def record(self, call: calls.Call) -> None:
        """Show the answer to the audit of calls."""
        self._raw_send = self._send = call.watched(self._raw_send)

    def restrict(self, lists: Lists) -> None:
        """Send of the lists in the answer only what may be seen."""
        self._restricted = Restricted(lists, lambda: self.admitted)
        self._send = self._restricted.sender(self._raw_send)

    @property
    def admitted(self) -> Admitted:
        """The decision that the answer lives by, as of now."""
        judged_again = None if self._admission is None else self._admission.admitted
        return judged_again or self._passage.admitted

    @property
    def client(self) -> str:
        """The client whose stream it is."""
        return self._passage.principal.client

    @property
    def session_key(self) -> str:
        """The session it was admitted by; empty when it was none."""
        return "" if self._admission is None else self._admission.session_key

    @property
    def user_id(self) -> int | None:
        """The user it acts for."""
        return self._passage.principal.user_id

    async def refuse(self, refused: Refused) -> None:
        """Answer in place of the application."""
        answer = gate.answer(self._endpoint, self._passage.head, refused)
        self._has_started = True
        await send_reply(self._raw_send, answer)

    def is_interrupted(self) -> bool:
        """Return whether it was the end of the answer that cancelled who serves it, and who then goes on."""
        if not self._is_ended or self._server is None:
            return False
        self._server.uncancel()
        return True

    def look(self, now: float) -> None:
        """End the answer if it takes too long, or if its client does not read it."""
        limits = self._endpoint.limits
        if self._is_ended:
            return
        if self._body_until:
            super().look(now)
        elif self._sending_since and now - self._sending_since >= limits.send_seconds:
            self._stop(Reason.PEER_NOT_READING)
            self._transport.abort()
        elif not self.call.is_stream and now - self._began_at >= limits.call_seconds:
            self._keep(self._cut())

    def recheck(self) -> None:
        """Judge the stream again and end it if it is refused."""
        if self._is_ended or self._admission is None or self._admission.stands:
            return
        self._keep(self._judge_open())

    def doubt(self) -> None:
        """Judge the stream again, whatever the policy says."""
        if self._admission is not None:
            self._admission.doubt()
            self.recheck()

    async def _judge_open(self) -> None:
        if self._admission is not None:
            await self._go_on_by(await self._admission.judge_open())

    async def _judge_again(self) -> None:
        if self._admission is not None:
            await self._go_on_by(await self._admission.judge_again())

    async def _go_on_by(self, judged: Admitted | Refused | None) -> None:
        if self._has_ended():
            return
        if isinstance(judged, Refused):
            await self._end(judged)
        else:
            self._watch_deadline()

    async def _end(self, refused: Refused) -> None:
        """End the stream for both sides, noting why."""
        if self._is_ended:
            return
        self._stop(refused.reason)
        self._transport.release()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def _stop(self, reason: Reason) -> str:
        """Tell the application that its client has gone, and return under which id that is noted."""
        self._is_ended = True
        if self._reader is not None:
            self._reader.cancel()
        if self._server is not None:
            loop = asyncio.get_running_loop()
            self._grace = loop.call_later(GRACE_SECONDS, self._server.cancel)
        return gate.note(self._endpoint, self._passage.head, reason)

    async def _cut(self) -> None:
        """End a call that takes too long with an error for its client."""
        if self._has_ended():
            return
        cors, request_id = self._passage.admitted.cors, self.call.request_id
        refused = Refused(Reason.CALL_TOO_LONG, cors, request_id=request_id)
        correlation_id = self._stop(refused.reason)
        self.call.cut()
        if not self._is_out:
            self._has_started = True
            await send_reply(self._raw_send, reply.refusal(refused, self._endpoint, correlation_id))
        elif self._admission is not None:
            self._transport.release()
            event = f"event: message\r\ndata: {reply.error_text(refused, correlation_id)}\r\n\r\n"
            await self._send({"type": "http.response.body", "body": event.encode(), "more_body": False})
        else:  # a part of the answer is out
            self._transport.abort()

    async def receive(self) -> Event:
        """Receive for the application."""
        body = self.body
        if body is not None:
            self.body = None
            return {"type": "http.request", "body": body, "more_body": False}
        if self._has_ended():
            return dict(_DISCONNECT)
        reader = self._reader = asyncio.current_task()
        try:
            return await self._receive()
        except asyncio.CancelledError:
            if not self._has_ended() or reader is None:
                raise
            reader.uncancel()
            return dict(_DISCONNECT)
        finally:
            self._reader = None

    def _has_ended(self) -> bool:
        """Whether the stream was ended meanwhile, by another task."""
        return self._is_ended

    @property
    def _is_out(self) -> bool:
        """Whether the client has a part of the answer; of a list nothing goes out before it is complete."""
        return self._has_started and (self._restricted is None or not self._restricted.is_holding)

    async def send(self, event: Event) -> None:
        """Send for the application: the head stamped, each event of a stream only while it is let in."""
        if self._is_ended:
            return
        if self._admission is not None:
            await self._send_of_stream(event, self._admission)
            return
        is_stream = False
        if event["type"] == "http.response.start":
            self._has_started = True
            passage = self._passage
            headers = stamped_headers(event.get("headers", ()), passage.admitted, passage.added)
            is_stream = _is_event_stream(headers)
            event = {**event}  # which is the application's
            event["headers"] = headers
        self._sending_since = _now()  # for how long the client leaves it unread
        try:
            if self._restricted is None:
                await self._raw_send(event)
            else:
                for going_out in self._restricted.outgoing(event):
                    await self._raw_send(going_out)
        finally:
            self._sending_since = 0.0
        if is_stream:
            self._open_stream()

    async def _send_of_stream(self, event: Event, admission: Admission) -> None:
        if not admission.stands:
            await self._judge_again()
            if self._has_ended():
                return
        if not event.get("more_body", False):
            self._transport.release()
        self._sending_since = _now()
        try:
            await self._send(event)
            await self._transport.drain()
        finally:
            self._sending_since = 0.0

    def _open_stream(self) -> None:
        """Watch the stream; only now, as nothing may end it before its head is sent."""
        admitted, head = self._passage.admitted, self._passage.head
        self._admission = Admission(self._endpoint, head, admitted)
        connections.add(self)
        self._transport.register()
        self._watch_deadline()
        self.recheck()

    def _watch_deadline(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        seconds = None if self._admission is None else self._admission.seconds_left
        if seconds is not None and not self._is_ended:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._deadline)

    def _deadline(self) -> None:
        if self._admission is not None and self._admission.stands:
            self._watch_deadline()
        else:
            self.recheck()

    async def fail(self) -> None:
        """Answer for an application that failed before it did: a 500 with the headers of any answer."""
        if self._is_out or self._is_ended:
            return
        self._has_started = True
        if self._restricted is not None:  # which may hold what the application began
            self._restricted.drop()
        length = (b"content-length", str(len(_FAILED)).encode())
        plain = [(b"content-type", b"application/json"), (b"cache-control", b"no-store"), length]
        headers = stamped_headers(plain, self._passage.admitted)
        await self._raw_send({"type": "http.response.start", "status": 500, "headers": headers})
        await self._raw_send({"type": "http.response.body", "body": _FAILED})

    @property
    def _transport(self) -> Transport:
        """The connection; looked for only when something is wanted of it."""
        if self._connection is None:
            self._connection = transport_of(self._raw_send)
        return self._connection

    def _keep(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        _kept.add(task)
        task.add_done_callback(_kept.discard)

    def leave(self) -> None:
        """Let go of everything; of what belongs to the server last, as that may fail."""
        self._is_ended = True  # what still waits to cut it off, or to judge it again, comes too late
        self._sweep.discard(self)
        self.call.leave()
        if self._admission is not None:
            connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._grace is not None:
            self._grace.cancel()
        if self._connection is not None:
            self._connection.release()


def _is_event_stream(headers: Iterable[Header]) -> bool:
    """Whether an answer goes on for as long as it likes; Django does not write names in lower case."""
    for name, value in headers:
        if name == _CONTENT_TYPE or (len(name) == len(_CONTENT_TYPE) and name.lower() == _CONTENT_TYPE):
            return value[:1] in b"tT" and value.lower().startswith(b"text/event-stream")
    return False
