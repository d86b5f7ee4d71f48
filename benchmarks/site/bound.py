"""The lower bound: the cheapest guards that can be written by hand in Python. No products.

They read Origin and Authorization, look both up, compare the expiry, and add the CORS headers. There is no
look at Host, no revision, no counter, no cookie policy, no body, nobody is told anything, and nothing can
be changed while they run.
"""

from __future__ import annotations

import time
from functools import cache
from hashlib import sha256
from typing import Any, Final, NamedTuple

from benchmarks.credentials import bound_token, origin

METHODS: Final = b"GET, POST, DELETE, OPTIONS"
HEADERS: Final = b"authorization, content-type, mcp-protocol-version, mcp-session-id"


class Listed(NamedTuple):
    """What is made ready for a listed origin."""

    cors: list[tuple[bytes, bytes]]
    preflight: dict[str, Any]


class Known(NamedTuple):
    """What is known of a token."""

    number: int
    expires: float
    revoked: bool


@cache
def listed(count: int) -> dict[bytes, Listed]:
    """Return the listed origins."""
    return {origin(number).encode(): _listed(origin(number).encode()) for number in range(count)}


def _listed(value: bytes) -> Listed:
    allow, vary = (b"access-control-allow-origin", value), (b"vary", b"Origin")
    answer = [
        allow,
        (b"access-control-allow-methods", METHODS),
        (b"access-control-allow-headers", HEADERS),
        vary,
    ]
    start = {"type": "http.response.start", "status": 204, "headers": answer}
    return Listed([allow, (b"access-control-expose-headers", b"mcp-session-id"), vary], start)


@cache
def known(count: int) -> dict[bytes, Known]:
    """Return the tokens."""
    return {sha256(bound_token(n).encode()).digest(): Known(n, 4e9, revoked=False) for n in range(count)}


def _refusal(status: int, body: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    headers = [(b"content-type", b"application/json"), (b"vary", b"Origin")]
    start = {"type": "http.response.start", "status": status, "headers": headers}
    return start, {"type": "http.response.body", "body": body}


FORBIDDEN: Final = _refusal(403, b'{"error": "origin"}')
UNAUTHORIZED: Final = _refusal(401, b'{"error": "token"}')


class BoundHTTP:
    """The bound around an ASGI application."""

    def __init__(self, app: Any, origins: int, tokens: int) -> None:
        self.app = app
        self.origins = listed(origins)
        self.tokens = known(tokens)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: C901 (calls cost time)
        its_origin = authorization = None
        for name, value in scope["headers"]:
            if name == b"origin":
                its_origin = value
            elif name == b"authorization":
                authorization = value
        entry = None
        if its_origin is not None:
            entry = self.origins.get(its_origin)
            if entry is None:
                return await _send_both(FORBIDDEN, send)
            if scope["method"] == "OPTIONS":
                return await _send_both((entry.preflight, {"type": "http.response.body", "body": b""}), send)
        if authorization is None or authorization[:7].lower() != b"bearer ":
            return await _send_both(UNAUTHORIZED, send)
        token = self.tokens.get(sha256(authorization[7:]).digest())
        if token is None or token.revoked or token.expires < time.time():
            return await _send_both(UNAUTHORIZED, send)
        scope["token"] = token
        if entry is None:
            return await self.app(scope, receive, send)
        cors = entry.cors

        def send_with_cors(event: Any) -> Any:
            if event["type"] == "http.response.start":
                event["headers"] = [*event["headers"], *cors]
            return send(event)

        return await self.app(scope, receive, send_with_cors)


class BoundSocket:
    """The bound around a WebSocket application."""

    def __init__(self, app: Any, origins: int, tokens: int) -> None:
        self.app = app
        self.origins = listed(origins)
        self.tokens = known(tokens)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        token = self.tokens.get(sha256(headers.get(b"authorization", b"")[7:]).digest())
        if headers.get(b"origin") not in self.origins or token is None or token.expires < time.time():
            await receive()
            await send({"type": "websocket.close", "code": 4403})
            return
        scope["token"] = token
        await self.app(scope, receive, send)


async def _send_both(events: tuple[dict[str, Any], dict[str, Any]], send: Any) -> None:
    await send(events[0])
    await send(events[1])
