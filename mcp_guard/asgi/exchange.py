"""Send and receive over one HTTP exchange: whole replies, bounded bodies, stamped answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from mcp_guard.policy import reply
from mcp_guard.policy.decision import Admitted, CorsGrant, Reason, Refused
from mcp_guard.policy.stamp import stamped_headers

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]

_FAILED: Final = b'{"jsonrpc": "2.0", "id": null, "error": {"code": -32603, "message": "Internal error"}}'


class Disconnected(Exception):
    """The client went away before its body was complete."""


async def send_reply(send: Send, answer: reply.Reply) -> None:
    """Send a whole answer."""
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "http.response.body", "body": answer.body})


async def read_body(receive: Receive, limit: int, cors: CorsGrant | None) -> bytes | Refused:
    """Return the body of a request, or the refusal of one that is larger than ``limit`` bytes.

    Raises:
        Disconnected: when the client went away.
    """
    parts: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] != "http.request":
            raise Disconnected
        part = event.get("body", b"")
        size += len(part)
        if size > limit:
            return Refused(Reason.BODY_TOO_LARGE, cors)
        parts.append(part)
        if not event.get("more_body", False):
            return b"".join(parts)


def replay(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that gives the body that was judged, then what comes after it."""
    pending = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Event:
        return pending.pop() if pending else await receive()

    return replayed


class StampedSend:
    """A ``send`` that gives the inner application's answer the headers of the decision.

    An answer that fails before it starts becomes a 500 with the same headers: errors vary by Origin too.
    """

    __slots__ = ("_admitted", "_send", "started")

    def __init__(self, send: Send, admitted: Admitted) -> None:
        self._send = send
        self._admitted = admitted
        self.started = False

    async def __call__(self, event: Event) -> None:
        """Send an event of the inner application."""
        if event["type"] == "http.response.start":
            self.started = True
            event = {**event, "headers": stamped_headers(event.get("headers", ()), self._admitted)}
        await self._send(event)

    async def fail(self) -> None:
        """Send a 500 unless the answer has started."""
        if self.started:
            return
        length = (b"content-length", str(len(_FAILED)).encode())
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store"), length]
        await self({"type": "http.response.start", "status": 500, "headers": headers})
        await self._send({"type": "http.response.body", "body": _FAILED})
