"""Heads of requests and handshakes, folded as a door folds them."""

from __future__ import annotations

from mcp_guard import conf, wire
from mcp_guard.policy.endpoint import Endpoint
from mcp_guard.policy.facts import RequestHead

HOST = "testserver"


def http_scope(**headers: str) -> dict:
    """Return the scope of a GET; underscores in the names of headers stand for hyphens."""
    return {**_scope("http", headers), "method": "GET", "http_version": "1.1", "scheme": "http"}


def socket_scope(**headers: str) -> dict:
    """Return the scope of a handshake."""
    return {
        **_scope("websocket", {"sec_websocket_version": "13", **headers}),
        "scheme": "ws",
        "subprotocols": [],
    }


def head(endpoint: Endpoint, **headers: str) -> RequestHead:
    """Return the head of a GET on an endpoint."""
    return wire.from_scope(http_scope(**headers), endpoint)


def endpoint(name: str) -> Endpoint:
    """Return an endpoint of the tests' settings."""
    return conf.endpoint(name)


def _scope(kind: str, headers: dict[str, str]) -> dict:
    named = {"host": HOST, **{name.replace("_", "-").lower(): value for name, value in headers.items()}}
    return {
        "type": kind,
        "asgi": {"version": "3.0"},
        "path": "/mcp",
        "raw_path": b"/mcp",
        "root_path": "",
        "query_string": b"",
        "client": ("127.0.0.1", 50000),
        "headers": [(name.encode(), value.encode()) for name, value in named.items()],
    }
