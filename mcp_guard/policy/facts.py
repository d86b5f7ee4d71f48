"""What a decision is about: the head of an exchange, its credential, and the time."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final, NamedTuple

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


UNIX_SOCKET: Final = -1
"""The port of a server that listens on a socket in the file system."""


class RequestHead(NamedTuple):
    """The head of a request or handshake, folded once at the first line of the guard.

    ``headers`` holds what ``policy.headers`` reads. ``scheme`` is ``http``, ``https``, ``ws``, ``wss`` or
    empty when the server does not say. ``peer`` is the address of the TCP peer, empty when unknown.
    ``malformed`` names what makes the head unusable, None when nothing does. ``port`` is the one that the
    server was reached at: 0 when unknown, UNIX_SOCKET when it listens on no port.
    """

    exchange: Exchange
    method: str
    path: str
    query: bytes
    scheme: str
    peer: str
    root_path: str
    headers: Mapping[bytes, bytes]
    malformed: str | None
    port: int = 0

    def __repr__(self) -> str:
        """Return a representation that may stand in a traceback: without headers and query."""
        return f"RequestHead({self.exchange.value} {self.method} {self.path[:80]!r})"


def with_headers(head: RequestHead, headers: Mapping[bytes, bytes]) -> RequestHead:
    """Return a head with other headers; ``_replace`` would take four times as long."""
    exchange, method, path, query, scheme, peer, root_path, _, malformed, port = head
    return RequestHead(exchange, method, path, query, scheme, peer, root_path, headers, malformed, port)


class RequestFacts(NamedTuple):
    """All that ``decide`` looks at besides the snapshot.

    ``now`` is in seconds since the epoch, ``age`` says how many seconds ago the snapshot was read.
    """

    endpoint: str
    head: RequestHead
    credential: Credential
    now: float
    age: float
