"""The requests: what a browser sends with a tool call, in every form that a stack is asked in."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from benchmarks.credentials import FOREIGN, HOST, MAKERS, origin, sample
from benchmarks.stacks import Stack

AGENT: Final = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36"
)
CALL: Final = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "echo", "arguments": {"text": "hello world"}},
}
BODY: Final = json.dumps(CALL).encode()
PATH: Final = "/mcp/"
SOCKET_PATH: Final = "/ws/"

SCENARIOS: Final = {
    "allowed": ("POST", True, True),
    "no origin": ("POST", None, True),
    "refused": ("POST", False, True),
    "bad token": ("POST", True, False),
    "preflight": ("OPTIONS", True, None),
    "foreign preflight": ("OPTIONS", False, None),
}
"""Method, and whether Origin and token are good, bad or missing."""


class Request(NamedTuple):
    """One request."""

    method: str
    headers: list[tuple[str, str]]
    body: bytes


def requests(stack: Stack, scenario: str) -> list[Request]:
    """Return the requests that take turns in a scenario."""
    method, good_origin, good_token = SCENARIOS[scenario]
    return [
        Request(method, _headers(method, its_origin, its_token), BODY if method == "POST" else b"")
        for its_origin, its_token in _parties(stack, good_origin=good_origin, good_token=good_token)
    ]


def _parties(
    stack: Stack, *, good_origin: bool | None, good_token: bool | None
) -> list[tuple[str | None, str | None]]:
    scheme, make = MAKERS[stack.auth]
    origins: list[str | None] = {
        True: [origin(number) for number in sample(stack.origins)],
        False: [FOREIGN],
        None: [None],
    }[good_origin]
    tokens: list[str | None] = {
        True: [f"{scheme} {make(number)}" for number in sample(stack.tokens)],
        False: [f"{scheme} {make(999_999_937)}"],
        None: [None],
    }[good_token]
    count = max(len(origins), len(tokens))
    return [(origins[i % len(origins)], tokens[i % len(tokens)]) for i in range(count)]


def _headers(method: str, its_origin: str | None, its_token: str | None) -> list[tuple[str, str]]:
    headers = [("host", HOST), ("connection", "keep-alive"), ("user-agent", AGENT)]
    if method == "POST":
        headers += [("content-length", str(len(BODY))), ("content-type", "application/json")]
        headers += [
            ("mcp-protocol-version", "2025-11-25"),
            ("mcp-session-id", "0123456789abcdef0123456789abcdef"),
        ]
    else:
        asked = "authorization,content-type,mcp-protocol-version"
        headers += [("access-control-request-method", "POST"), ("access-control-request-headers", asked)]
    headers += [("accept", "application/json, text/event-stream"), ("accept-language", "en-GB,en;q=0.9")]
    headers += [("accept-encoding", "gzip, deflate, br"), ("sec-ch-ua-platform", '"Linux"')]
    if its_origin is not None:
        headers += [("origin", its_origin), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")]
    if its_token is not None:
        headers.append(("authorization", its_token))
    return headers


def scope(request: Request) -> dict[str, Any]:
    """Return the ASGI scope of a request."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": PATH,
        "raw_path": PATH.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": _encoded(request.headers),
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }


def environ(request: Request) -> dict[str, Any]:
    """Return the WSGI environment of a request."""
    found: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": PATH,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in request.headers:
        key = name.upper().replace("-", "_")
        found[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    return found


def raw(request: Request) -> bytes:
    """Return a request as it goes over the wire."""
    lines = [f"{request.method} {PATH} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in request.headers if name != "connection"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + request.body


def socket_headers(stack: Stack, *, allowed: bool) -> list[list[tuple[str, str]]]:
    """Return the headers of handshakes that take turns, without those of the upgrade itself."""
    return [
        [("user-agent", AGENT), ("origin", str(its_origin)), ("authorization", str(its_token))]
        for its_origin, its_token in _parties(stack, good_origin=allowed, good_token=True)
    ]


def socket_scope(headers: list[tuple[str, str]]) -> dict[str, Any]:
    """Return the ASGI scope of a handshake."""
    upgrade = [
        ("host", HOST),
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("cache-control", "no-cache"),
        ("accept-encoding", "gzip, deflate, br"),
        ("accept-language", "en-GB,en;q=0.9"),
    ]
    return {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": SOCKET_PATH,
        "raw_path": SOCKET_PATH.encode(),
        "query_string": b"",
        "root_path": "",
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 8000),
        "subprotocols": [],
        "headers": _encoded(upgrade + headers),
    }


def _encoded(headers: list[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers]
