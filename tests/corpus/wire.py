"""One TCP connection to the site: raw bytes out, everything that comes back kept."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from typing import Final, Self

from tests.corpus.errors import ContractBroken

CASE_SECONDS: Final = 8.0
"""No case takes longer."""

_CONNECT_SECONDS: Final = 5.0
_CHUNK: Final = 65536
_SMALL_WINDOW: Final = 4096


class Wire:
    """A connection that never waits past its deadline (monotonic seconds).

    Raises:
        ContractBroken: when the site does not accept it.
    """

    def __init__(self, port: int, deadline: float, *, small_window: bool = False) -> None:
        self.deadline = deadline
        self.data = bytearray()
        self.eof = False
        self.sock = socket.socket()
        if small_window:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_WINDOW)
        self.sock.settimeout(_CONNECT_SECONDS)
        try:
            self.sock.connect(("127.0.0.1", port))
        except OSError:
            self.sock.close()
            raise ContractBroken("the site does not accept connections") from None
        self.sock.setblocking(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.sock.close()

    def pump(
        self,
        out: bytes = b"",
        until: Callable[[], bool] | None = None,
        seconds: float = CASE_SECONDS,
        *,
        read: bool = True,
    ) -> None:
        """Send ``out``, then read until ``until()`` is true, the peer closes, or the time is over.

        What the peer says early is read while sending, and ends the sending when it is what we wait for.
        """
        end = min(self.deadline, time.monotonic() + seconds)
        left = memoryview(bytes(out))
        while not self.eof:
            if until is not None and until():
                return
            if not left and until is None:
                return
            wait = end - time.monotonic()
            if wait <= 0:
                return
            readable, writable, _ = select.select(
                [self.sock] if read else [], [self.sock] if left else [], [], wait
            )
            if writable:
                left = self._send(left)
            if readable:
                self._receive()

    def _send(self, left: memoryview) -> memoryview:
        """Return what is still to be sent: nothing when the peer closed its side, so that it is read."""
        try:
            return left[self.sock.send(left[:_CHUNK]) :]
        except BlockingIOError:
            return left
        except OSError:
            return left[:0]

    def _receive(self) -> None:
        try:
            chunk = self.sock.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        self.data += chunk
        self.eof = not chunk
