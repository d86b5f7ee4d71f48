"""Send and receive over one HTTP exchange: whole replies and bounded bodies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from mcp_guard.policy import reply
from mcp_guard.policy.decision import CorsGrant, Reason, Refused

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]


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


def without_body(receive: Receive) -> Receive:
    """Return a ``receive`` that gives an empty body whatever was sent, then what comes after it."""
    inner = replay(b"", receive)

    async def received() -> Event:
        event = await inner()
        while event["type"] == "http.request" and (event.get("body") or event.get("more_body")):
            event = await inner()
        return event

    return received


def replay(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that gives the body that was judged, then what comes after it."""
    pending = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Event:
        return pending.pop() if pending else await receive()

    return replayed
