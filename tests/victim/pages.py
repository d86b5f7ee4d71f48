"""Where the pages come from: one server for all their names, with redirects, and a name that is rebound.

Names below .localhost lead to loopback without DNS. What differs between pages is their origin alone.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class _Page(BaseHTTPRequestHandler):
    """Answers an empty page, and below /redirect a 307 to wherever the query says, for every origin."""

    def do_GET(self) -> None:
        target = parse_qs(urlsplit(self.path).query).get("to")
        preflight = self.command == "OPTIONS"
        self.send_response(204 if preflight else 307 if target else 200)
        if target and not preflight:
            self.send_header("Location", target[0])
        self.send_header("Access-Control-Allow-Origin", self.headers.get("Origin", "*"))
        self.send_header("Access-Control-Allow-Credentials", "true")
        self.send_header("Access-Control-Allow-Headers", "content-type")
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        if not preflight:
            self.wfile.write(b"<!doctype html><title>a page</title><body>")

    do_POST = do_OPTIONS = do_GET  # noqa: N815 (names that BaseHTTPRequestHandler looks for)

    def handle(self) -> None:
        with suppress(ConnectionError):  # it is cut where a name is rebound
            super().handle()

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


@contextmanager
def serve_pages() -> Iterator[int]:
    """Serve pages and yield the port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


class Rebound:
    """A name whose owner points it elsewhere: a listener that passes connections on to a port.

    To the browser it is one address whose name stays the same, which is all that rebinding needs.
    """

    def __init__(self) -> None:
        self._target = 0
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def point_to(self, port: int) -> None:
        """Lead elsewhere from now on; connections that the browser has opened ahead are cut."""
        self._target = port
        for connection in self._open:
            _cut(connection)
        self._open.clear()

    def close(self) -> None:
        self.point_to(0)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                self._open.append(near)
                threading.Thread(target=_relay, args=(near, far), daemon=True).start()


def _relay(near: socket.socket, far: socket.socket) -> None:
    with near, far:
        back = threading.Thread(target=_copy, args=(far, near))
        back.start()
        _copy(near, far)
        back.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while part := source.recv(65536):
            sink.sendall(part)
    for end in (source, sink):
        _cut(end)


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
