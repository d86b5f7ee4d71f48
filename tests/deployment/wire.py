"""Requests as bytes, and their answers."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.deployment.nginx import HOST

SECONDS: Final = 20
CALL: Final = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "add", "arguments": {}}}

Headers = list[tuple[str, str]]


class Answer(NamedTuple):
    """The answer to one request; status 0 when the connection was closed without one."""

    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """Opens connections to one port, over TLS where there is a certificate to trust."""

    def __init__(self, port: int, certificate: Path | None = None, *, source: str = "127.0.0.1") -> None:
        self.port = port
        self.certificate = certificate
        self._source = source

    @contextmanager
    def connected(self, name: str = HOST) -> Iterator[socket.socket]:
        """Yield a connection; ``name`` is what TLS is told the server is called."""
        address = ("127.0.0.1", self.port)
        with socket.create_connection(address, SECONDS, source_address=(self._source, 0)) as plain:
            if self.certificate is None:
                yield plain
                return
            with self.trust.wrap_socket(plain, server_hostname=name) as secured:
                yield secured

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))

    def send(self, raw: bytes) -> Answer:
        """Send bytes and return the answer."""
        with self.connected() as connection:
            connection.sendall(raw)
            return answer(connection)

    def ask(self, method: str, target: str, headers: Headers, body: bytes = b"") -> Answer:
        """Send a request with these headers, none of them added but the length of a body."""
        return self.send(request(method, target, headers, body))

    def call(self, token: str, *more: tuple[str, str], target: str = "/mcp", body: bytes = b"") -> Answer:
        """Call a tool with a token."""
        headers = [("Host", HOST), *call_headers(token), *more]
        return self.ask("POST", target, headers, body or json.dumps(CALL).encode())


def call_headers(token: str) -> Headers:
    return [("Authorization", f"Bearer {token}"), ("Content-Type", "application/json")]


def request(method: str, target: str, headers: Headers, body: bytes = b"") -> bytes:
    """Return a request as it is on the wire."""
    if body:
        headers = [*headers, ("Content-Length", str(len(body)))]
    head = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(head).encode("latin-1") + body


def answer(connection: socket.socket) -> Answer:
    """Read one answer to its end."""
    response = http.client.HTTPResponse(connection)
    try:
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read())
    except (http.client.BadStatusLine, ConnectionError):
        return Answer(0, {}, b"")
    finally:
        response.close()


def events(connection: socket.socket) -> Iterator[bytes]:
    """Yield what comes of a streamed answer, as it comes."""
    response = http.client.HTTPResponse(connection)
    response.begin()
    assert response.status == 200, response.read()
    while part := response.read1():
        yield part


def message(identifier: int) -> str:
    """Return a ping, which needs no grant."""
    ping: dict[str, Any] = {"jsonrpc": "2.0", "id": identifier, "method": "ping"}
    return json.dumps(ping)
