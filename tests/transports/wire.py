"""Requests and handshakes of the table over real sockets, and which of them a client can put there."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterable
from contextlib import AbstractContextManager
from http.client import HTTPResponse
from typing import Any, Final

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.rows.exchanges import HOST, Head, Request, Socket
from tests.transports.answer import Answered

SECONDS: Final = 10

_PLAIN_VALUE: Final = re.compile(r"[\t\x20-\x7e]*")
_OF_THE_CLIENT: Final = {"host", "sec-websocket-version", "sec-websocket-protocol"}
"""Headers of a handshake that the client library writes itself."""


def is_request_of_wire(request: Request) -> bool:
    """Whether HTTP/1.1 can say it and both servers hand it on as it is.

    They answer control bytes, odd methods, and doubtful hosts and lengths by themselves; Daphne reads
    multipart bodies, and uvicorn believes what a proxy on its own machine says.
    """
    return (
        _is_of_wire(request)
        and request.scheme == "http"
        and "X-Forwarded-Proto" not in dict(request.headers)
        and not dict(request.headers).get("Content-Type", "").startswith("multipart/")
        and request.method.isupper()
        and dict(request.headers).get("Content-Length", "0") == str(len(request.body))
    )


def is_socket_of_wire(exchange: Socket) -> bool:
    """Whether the client library can be made to say it, and twice."""
    own = {name.lower(): value for name, value in exchange.headers if name.lower() in _OF_THE_CLIENT}
    offers = own.get("sec-websocket-protocol", "mcp")
    return (
        _is_of_wire(exchange)
        and exchange.scheme == "ws"
        and "icket=" not in exchange.query
        and own.get("host") == HOST
        and own.get("sec-websocket-version") == "13"
        and all(re.fullmatch(r"[A-Za-z-]+", one.strip()) for one in offers.split(","))
    )


def _is_of_wire(head: Head) -> bool:
    values = dict(head.headers)
    return (
        head.has_plain_target
        and not head.has_repeated_header
        and not head.root_path
        and head.peer == Head().peer
        and len(head.headers) < 100
        and all(_PLAIN_VALUE.fullmatch(value) and len(value) < 8000 for value in values.values())
        and re.fullmatch(r"[a-z0-9.-]+(:[1-9][0-9]{0,4})?", values.get("Host", "")) is not None
    )


def ask(port: int, request: Request, path: str) -> Answered:
    """Send a request as it stands and return the answer."""
    target = f"{path}?{request.query}" if request.query else path
    lines = [f"{request.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in request.headers)]
    head = "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1")
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as wire:
        wire.sendall(head + request.body)
        response = HTTPResponse(wire, method=request.method)
        response.begin()
        body = response.read()
        headers = tuple((name.lower(), value) for name, value in response.getheaders())
        response.close()
    return Answered(response.status, headers, body)


def open_socket(port: int, exchange: Socket, path: str) -> AbstractContextManager[ClientConnection]:
    """Open the socket of a handshake for a ``with`` block.

    Raises:
        InvalidStatus: when the server refuses it.
    """
    values = dict(exchange.headers)
    offers = values.get("Sec-WebSocket-Protocol")
    others = {name: value for name, value in exchange.headers if name.lower() not in _OF_THE_CLIENT}
    return connect(
        f"ws://{HOST}:{port}{path}?{exchange.query}",
        sock=socket.create_connection(("127.0.0.1", port), timeout=SECONDS),
        subprotocols=None if offers is None else [one.strip() for one in offers.split(",")],
        additional_headers=others,
        compression=None,
        user_agent_header=None,
        open_timeout=SECONDS,
        close_timeout=SECONDS,
    )


def say_all(open_: ClientConnection, messages: Iterable[str | bytes]) -> None:
    """Send messages in one write, as a client does that waits for nothing."""
    with open_.protocol_mutex:
        for message in messages:
            if isinstance(message, str):
                open_.protocol.send_text(message.encode())
            else:
                open_.protocol.send_binary(message)
        open_.send_data()


def refusal_of(port: int, exchange: Socket, path: str) -> int | None:
    """Return the status a handshake is refused with, None when it is accepted."""
    try:
        with open_socket(port, exchange, path):
            return None
    except InvalidStatus as refused:
        return refused.response.status_code


def answers(open_: ClientConnection, count: int) -> list[Any]:
    """Return the next answers, as many as are expected or until the socket is closed."""
    found = []
    try:
        while len(found) < count:
            found.append(json.loads(open_.recv(timeout=SECONDS)))
    except ConnectionClosed:
        pass
    return found


def close_code(open_: ClientConnection, seconds: float = SECONDS) -> int | None:
    """Return the code with which the server closes a socket; what it sends before that is dropped.

    Raises:
        TimeoutError: when it stays open.
    """
    try:
        while True:
            open_.recv(timeout=seconds)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None
