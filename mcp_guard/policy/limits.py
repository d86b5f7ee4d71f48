"""The bounds of one endpoint, and what they count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BURST_SECONDS: Final = 2
"""A socket may send at once what it may send in this many seconds."""

CALL_BYTES: Final = 24 * 1024
"""What a call takes while it runs, besides its text: measured with a tool of the SDK's that does nothing."""

LONG_TEXT: Final = 1024
"""Length from which a text is looked at for what it takes once it is read, in characters."""

_CONTAINER_BYTES: Final = 64
_MEMBER_BYTES: Final = 48


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one endpoint. What is counted is counted in each process for itself."""

    body_bytes: int = 4 * 1024 * 1024
    """Largest body of a POST, in bytes."""

    body_seconds: float = 30.0
    """How long a body may take to arrive, in seconds."""

    message_bytes: int = 64 * 1024
    """Largest WebSocket message, in bytes of UTF-8."""

    first_message_seconds: float = 5.0
    """How long an accepted socket may stay without a credential, in seconds."""

    messages_per_second: int = 100
    """How many messages a socket may send, on average over ``BURST_SECONDS``."""

    in_flight_bytes: int = 128 * 1024
    """How much of what a socket sent may be unanswered, in bytes: each call its text and ``CALL_BYTES``."""

    idle_seconds: float = 1800.0
    """How long a socket may stay without a message either way, in seconds."""

    socket_seconds: float = 86400.0
    """How long a socket may stay open, in seconds."""

    send_seconds: float = 10.0
    """How long a client may leave unread what is sent to it, in seconds."""

    call_seconds: float = 300.0
    """How long a call may take, in seconds."""

    sockets_per_principal: int = 100
    """How many sockets one principal may have open."""

    calls_per_principal: int = 100
    """How many calls of one principal may run at once, over HTTP and WebSocket together."""

    streams_per_principal: int = 100
    """How many event streams that are no calls one principal may have open."""

    list_bytes: int = 4 * 1024 * 1024
    """Largest answer that lists tools, resources or prompts, and longest unfinished event, in bytes."""

    tickets: int = 100
    """How many tickets one token or user may hold at a time, unused and not expired."""


def weight(text: str) -> int:
    """Return about how many bytes a JSON text takes once it is read; at least its length."""
    if len(text) < LONG_TEXT:
        return len(text)
    containers = text.count("[") + text.count("{")
    return len(text) + _CONTAINER_BYTES * containers + _MEMBER_BYTES * text.count(",")
