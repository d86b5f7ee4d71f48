"""Send and receive over one HTTP exchange: whole replies and bounded bodies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import replace
from typing import Any

from mcp_guard import gate, ticket_desk
from mcp_guard.asgi.sweep import sweep
from mcp_guard.passage import Passage
from mcp_guard.policy import reply
from mcp_guard.policy.content import has_body
from mcp_guard.policy.decision import Admitted, CorsGrant, Reason, Refused
from mcp_guard.policy.endpoint import Endpoint
from mcp_guard.policy.limits import Limits

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]


class Disconnected(Exception):
    """The client went away before its body was complete."""


async def send_reply(send: Send, answer: reply.Reply) -> None:
    """Send a whole answer."""
    start, body = events_of(answer)
    await send(start)
    await send(body)


def events_of(answer: reply.Reply) -> tuple[Event, Event]:
    """Return what is sent for an answer; what is between here and the server may change the headers."""
    status, headers, body = answer
    start = {"type": "http.response.start", "status": status, "headers": [*headers]}
    return start, {"type": "http.response.body", "body": body}


async def settle_head(endpoint: Endpoint, pending: gate.Pending, send: Send) -> Passage | None:
    """Return the passage of a request that may go on, None for one that was answered."""
    head, judged = pending
    settled = await gate.asettle(endpoint, head, judged)
    if isinstance(settled, Admitted):
        return Passage(endpoint.name, head, settled)
    await send_reply(send, gate.answer(endpoint, head, settled))
    return None


class Arrival:
    """A body that arrives. Whoever waits for it is interrupted once it is late."""

    _body_until = 0.0
    """In monotonic seconds; 0 while none is expected."""
    _is_late = False
    _reader: asyncio.Task[Any] | None = None
    """Who waits for something to arrive."""
    _server: asyncio.Task[Any] | None = None
    """Who serves the exchange."""

    async def read_body(self, receive: Receive, limits: Limits, cors: CorsGrant | None) -> bytes | Refused:
        """Return the body, or the refusal of one that is too large or takes too long to arrive.

        Raises:
            Disconnected: when the client went away.
        """
        self._reader = self._server or asyncio.current_task()
        self._body_until = time.monotonic() + limits.body_seconds
        try:
            event = await receive()
            if not event.get("more_body") and event["type"] == "http.request":
                body: bytes = event.get("body", b"")
                return body if len(body) <= limits.body_bytes else Refused(Reason.BODY_TOO_LARGE, cors)
            return await _read_on(event, receive, limits.body_bytes, cors)
        except asyncio.CancelledError:
            if not self._is_late or self._reader is None:
                raise
            self._reader.uncancel()
            return Refused(Reason.BODY_TOO_SLOW, cors)
        finally:
            self._body_until = 0.0
            self._reader = None

    def look(self, now: float) -> None:
        """Interrupt whoever waits for the body if it is late."""
        if self._body_until and now >= self._body_until and not self._is_late and self._reader is not None:
            self._is_late = True
            self._reader.cancel()


async def _read_on(event: Event, receive: Receive, limit: int, cors: CorsGrant | None) -> bytes | Refused:
    parts: list[bytes] = []
    size = 0
    while True:
        if event["type"] != "http.request":
            raise Disconnected
        part = event.get("body", b"")
        size += len(part)
        if size > limit:
            return Refused(Reason.BODY_TOO_LARGE, cors)
        parts.append(part)
        if not event.get("more_body", False):
            return b"".join(parts)
        event = await receive()


async def read_body(receive: Receive, limits: Limits, cors: CorsGrant | None) -> bytes | Refused:
    """Do as ``Arrival.read_body`` for a body that nothing else watches.

    Raises:
        Disconnected: when the client went away.
    """
    arrival = Arrival()
    sweep().add(arrival)
    try:
        return await arrival.read_body(receive, limits, cors)
    finally:
        sweep().discard(arrival)


async def hand_out_ticket(endpoint: Endpoint, passage: Passage, receive: Receive, send: Send) -> None:
    """Answer a request for a ticket that was let in."""
    head, admitted = passage.head, passage.admitted
    body: bytes | Refused = b""
    if has_body(head):
        try:
            limits = replace(endpoint.limits, body_bytes=ticket_desk.BODY_BYTES)
            body = await read_body(receive, limits, admitted.cors)
        except Disconnected:
            return
    if isinstance(body, Refused):
        await send_reply(send, ticket_desk.refuse(endpoint, head, body))
    else:
        await send_reply(send, await ticket_desk.ahand_out(endpoint, head, admitted, body))


def without_body(receive: Receive) -> Receive:
    """Return a ``receive`` that gives an empty body whatever was sent, then what comes after it."""
    is_given = False

    async def received() -> Event:
        nonlocal is_given
        if not is_given:
            is_given = True
            return {"type": "http.request", "body": b"", "more_body": False}
        event = await receive()
        while event["type"] == "http.request":
            event = await receive()
        return event

    return received


def replay(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that gives the body that was judged, then what comes after it."""
    pending = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Event:
        return pending.pop() if pending else await receive()

    return replayed
