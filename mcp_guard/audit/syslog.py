"""Send events to a syslog collector: RFC 5424 messages over UDP (RFC 5426), TCP (RFC 6587) or TLS (RFC 5425).

Syslog has no answer. Over TCP and TLS a batch counts as taken when the collector, told that nothing more
comes, has closed its side in order: a host whose program did not read everything resets the connection
instead. UDP says nothing at all: what gets lost on the way is lost.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Sequence
from contextlib import closing
from typing import Final

from mcp_guard.audit.delivery import Undelivered
from mcp_guard.conf.destinations import Destination, Protocol

MAX_DATAGRAM: Final = 8192
"""Largest message over UDP in bytes; a receiver should take 2048 (RFC 5426 section 3.2), most take this."""

_CUT: Final = "…".encode()


def send(destination: Destination, texts: Sequence[bytes]) -> None:
    """Send the messages and return when the collector has taken them, as far as its protocol can tell.

    Raises:
        Undelivered: when it cannot be reached, or did not take them within the time of the destination.
    """
    deadline = _Deadline(destination.timeout)
    try:
        if destination.protocol is Protocol.SYSLOG_UDP:
            _send_datagrams(destination, texts)
        else:
            _send_stream(destination, texts, deadline)
    except TimeoutError:
        raise Undelivered(f"not taken within {destination.timeout:g} s") from None
    except OSError as error:  # ssl.SSLError is one
        raise Undelivered(f"{type(error).__name__}: {error}") from None


class _Deadline:
    """When a batch has to be through."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return how many seconds are left.

        Raises:
            TimeoutError: when none are.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def _send_datagrams(destination: Destination, texts: Sequence[bytes]) -> None:
    family, kind, protocol, _, address = socket.getaddrinfo(
        destination.host, destination.port, type=socket.SOCK_DGRAM
    )[0]
    with socket.socket(family, kind, protocol) as sender:
        sender.settimeout(destination.timeout)
        for text in texts:
            sender.sendto(datagram(text), address)


def datagram(text: bytes) -> bytes:
    """Return a message cut to the size of a datagram, between two characters."""
    if len(text) <= MAX_DATAGRAM:
        return text
    return text[: MAX_DATAGRAM - len(_CUT)].decode("utf-8", "ignore").encode() + _CUT


def _send_stream(destination: Destination, texts: Sequence[bytes], deadline: _Deadline) -> None:
    content = memoryview(b"".join(frame(text) for text in texts))
    plain = socket.create_connection((destination.host, destination.port), deadline.left())
    with closing(_secured(destination, plain, deadline)) as connection:
        while content:
            connection.settimeout(deadline.left())
            content = content[connection.send(content) :]
        connection.settimeout(deadline.left())
        rest = _closed(connection)
        while rest.recv(4096):
            rest.settimeout(deadline.left())


def _secured(destination: Destination, plain: socket.socket, deadline: _Deadline) -> socket.socket:
    if destination.protocol is not Protocol.SYSLOG_TLS:
        return plain
    try:
        context = ssl.create_default_context(cafile=destination.ca_file or None)
        if destination.cert_file:
            context.load_cert_chain(destination.cert_file, destination.key_file)
        plain.settimeout(deadline.left())
        return context.wrap_socket(plain, server_hostname=destination.host)
    except BaseException:
        plain.close()
        raise


def _closed(connection: socket.socket) -> socket.socket:
    """Say that nothing more comes; over TLS wait for the same of the other side (RFC 5425 section 4.4)."""
    plain = connection
    if isinstance(connection, ssl.SSLSocket):
        plain = connection.unwrap()
    plain.shutdown(socket.SHUT_WR)
    return plain


def frame(text: bytes) -> bytes:
    """Return a message with its length before it (RFC 6587 section 3.4.1, RFC 5425 section 4.3)."""
    return b"%d %b" % (len(text), text)
