"""What a decision is about: the head of an exchange, its credential, and the time."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from mcp_guard.policy.credential import Credential


class Exchange(Enum):
    """What is being judged."""

    REQUEST = "request"
    PREFLIGHT = "preflight"
    HANDSHAKE = "handshake"
    MESSAGE = "message"
    PUSH = "push"

    @property
    def is_websocket(self) -> bool:
        """Whether a refusal ends a WebSocket instead of answering a request."""
        return self not in (Exchange.REQUEST, Exchange.PREFLIGHT)


class RequestHead(NamedTuple):
    """The head of a request or handshake, folded once at the first line of the guard.

    ``headers`` holds what ``policy.headers`` reads. ``scheme`` is ``http``, ``https``, ``ws``, ``wss`` or
    empty when the server does not say. ``peer`` is the address of the TCP peer, empty when unknown.
    ``malformed`` names what makes the head unusable, None when nothing does.
    """

    exchange: Exchange
    method: str
    path: str
    query: bytes
    scheme: str
    peer: str
    root_path: str
    headers: dict[bytes, bytes]
    malformed: str | None

    def __repr__(self) -> str:
        """Return a representation that may stand in a traceback: without headers and query."""
        return f"RequestHead({self.exchange.value} {self.method} {self.path[:80]!r})"


class RequestFacts(NamedTuple):
    """All that ``decide`` looks at besides the snapshot.

    ``now`` is in seconds since the epoch, ``age`` says how many seconds ago the snapshot was read.
    """

    endpoint: str
    head: RequestHead
    credential: Credential
    now: float
    age: float
