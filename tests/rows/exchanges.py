"""What is sent in a row: requests, preflights, and sockets with their messages."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from tests.rows.world import Origin, Session, Token

Header = tuple[str, str]
Headers = tuple[Header, ...]

HOST: Final = "api.example.com"


@dataclass(frozen=True, kw_only=True)
class Head:
    """What every exchange has. ``target`` is the path below the mount as it is on the wire.

    ``port`` is the one that the server listens on, UNIX_SOCKET where it listens on none.
    """

    headers: Headers = ()
    target: str = "/mcp"
    query: str = ""
    peer: str = "203.0.113.9"
    port: int = 8000
    root_path: str = ""

    @property
    def has_repeated_header(self) -> bool:
        names = [name.lower() for name, _ in self.headers]
        return len(set(names)) < len(names)

    @property
    def has_plain_target(self) -> bool:
        return self.target == "/mcp"


@dataclass(frozen=True, kw_only=True)
class Request(Head):
    """An HTTP request, preflights included."""

    method: str = "POST"
    body: bytes = b""
    scheme: str = "http"

    @property
    def is_longer_than_said(self) -> bool:
        said = dict(self.headers).get("Content-Length") or "0"
        return said.isdecimal() and int(said) < len(self.body)


@dataclass(frozen=True, kw_only=True)
class Socket(Head):
    """A handshake and the messages that follow once it is accepted."""

    messages: tuple[str | bytes, ...] = ()
    scheme: str = "ws"


# headers


def origin(of: Origin | str) -> Header:
    return ("Origin", of if isinstance(of, str) else of.url)


def bearer(of: Token | str) -> Header:
    return ("Authorization", f"Bearer {of if isinstance(of, str) else of.text}")


def cookie(of: Session, before: str = "theme=dark; ", name: str = "sessionid") -> Header:
    return ("Cookie", f"{before}{name}={of.key}")


def nonce(value: str) -> Header:
    return ("X-MCP-Nonce", value)


def fetch_site(value: str) -> Header:
    return ("Sec-Fetch-Site", value)


# bodies and messages


def call(tool: str = "read_note", token: Token | str | None = None, **members: Any) -> str:
    """Return the JSON text of a tool call, with the token of a WebSocket message where one is given."""
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": {}}}
    if token is not None:
        message["auth"] = {"bearer": token if isinstance(token, str) else token.text}
    return json.dumps(message | members)


def request(method: str, token: Token | None = None, **params: Any) -> str:
    """Return the JSON text of a request."""
    message: dict[str, Any] = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
    if token is not None:
        message["auth"] = {"bearer": token.text}
    return json.dumps(message)


# exchanges


def post(
    *headers: Header,
    body: str | bytes | None = None,
    host: str | None = HOST,
    content_type: str | None = "application/json",
    length: str | None = None,
    **head: Any,
) -> Request:
    """Return a POST of one tool call, if no other body is given, with its true length if no other is."""
    raw = call() if body is None else body
    raw = raw if isinstance(raw, bytes) else raw.encode()
    own = (("Content-Type", content_type),) if content_type is not None else ()
    own += (("Content-Length", str(len(raw)) if length is None else length),)
    return Request(headers=_host(host) + own + headers, body=raw, **head)


def get(*headers: Header, host: str | None = HOST, method: str = "GET", **head: Any) -> Request:
    """Return a request without a body."""
    return Request(method=method, headers=_host(host) + headers, **head)


def preflight(
    of: Origin | str,
    *headers: Header,
    method: str = "POST",
    asks: str = "authorization, content-type",
    host: str | None = HOST,
    **head: Any,
) -> Request:
    """Return what a browser sends before a request that is not simple."""
    return Request(
        method="OPTIONS",
        headers=(
            *_host(host),
            origin(of),
            ("Access-Control-Request-Method", method),
            ("Access-Control-Request-Headers", asks),
            *headers,
        ),
        **head,
    )


def handshake(
    *headers: Header,
    messages: tuple[str | bytes, ...] = (),
    host: str | None = HOST,
    version: str | None = "13",
    offers: str | None = None,
    **head: Any,
) -> Socket:
    """Return a WebSocket handshake and the messages after it."""
    own = (("Sec-WebSocket-Version", version),) if version is not None else ()
    if offers is not None:
        own += (("Sec-WebSocket-Protocol", offers),)
    return Socket(headers=_host(host) + own + headers, messages=messages, **head)


def _host(host: str | None) -> Headers:
    return () if host is None else (("Host", host),)
