"""Receivers of syslog over TCP and TLS, well-behaved and not."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time

from mcp_guard.conf.destinations import Destination, Protocol


def destination_of(protocol, port, folder=None, **values):
    given = {"timeout": 5.0} | values
    if folder is not None and protocol is Protocol.SYSLOG_TLS:
        given = {"ca_file": str(folder / "ca.pem")} | given
    return Destination("logs", protocol, f"{protocol.value}://127.0.0.1:{port}", "127.0.0.1", port, **given)


class Receiver:
    """Takes one connection and does with it what it is told."""

    def __init__(self, behave, context=None):
        self.got = b""
        self._behave, self._context = behave, context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            connection.settimeout(10)
            with connection:
                if self._context:
                    connection = self._context.wrap_socket(connection, server_side=True)
                self._behave(self, connection)

    def close(self):
        self._thread.join(20)
        self._listener.close()


def read_all(receiver, connection):
    while part := connection.recv(4096):
        receiver.got += part
    if hasattr(connection, "unwrap"):
        connection.unwrap()
    connection.close()


def die(receiver, connection):
    """Read one byte and reset the connection, as the end of a process does that left something unread."""
    receiver.got = connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def hang(receiver, connection):
    time.sleep(3)
    connection.close()
