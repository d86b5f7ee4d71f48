"""WebSocket frames (RFC 6455 section 5) out and in, without a library that would refuse odd ones."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from tests.corpus.wire import Wire

HANDLER_RAN: Final = b"corpus-handler-ran"
"""In every message of the protected WebSocket handler."""

CONTINUATION: Final = 0
TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10

_FINAL_BIT: Final = 0x80
_MASK_BIT: Final = 0x80
_NO_STATUS: Final = 1005  # RFC 6455 section 7.1.5: a close frame without a code


def frame(payload: bytes, opcode: int = TEXT, *, final: bool = True) -> bytes:
    """Return a client frame; its mask is zero, so the payload can be read in a dump."""
    length = len(payload)
    if length < 126:
        size = bytes([_MASK_BIT | length])
    elif length < 65536:
        size = b"\xfe" + struct.pack("!H", length)
    else:
        size = b"\xff" + struct.pack("!Q", length)
    return bytes([(_FINAL_BIT if final else 0) | opcode]) + size + b"\0\0\0\0" + payload


def fragments(pieces: Sequence[bytes]) -> bytes:
    """Return one text message in as many frames as there are pieces."""
    last = len(pieces) - 1
    return b"".join(
        frame(piece, CONTINUATION if index else TEXT, final=index == last)
        for index, piece in enumerate(pieces)
    )


class Conversation:
    """The frames that the server sends, from byte ``start`` of the connection on."""

    def __init__(self, wire: Wire, start: int) -> None:
        self.wire = wire
        self.offset = start
        self.handler_runs = 0
        self.pongs: list[bytes] = []
        self.close: int | str | None = None

    def closed(self) -> bool:
        """Return whether a close frame or the end of the connection has come."""
        while self.close is None and (found := self._next_frame()) is not None:
            self._take(*found)
        if self.close is None and self.wire.eof:
            self.close = "drop"
        return self.close is not None

    def _next_frame(self) -> tuple[int, bytes] | None:
        data = self.wire.data
        head = data[self.offset : self.offset + 10]
        if len(head) < 2:
            return None
        length, used = head[1] & 127, 2
        if length == 126:
            length, used = int.from_bytes(head[2:4], "big"), 4
        elif length == 127:
            length, used = int.from_bytes(head[2:10], "big"), 10
        begin, end = self.offset + used, self.offset + used + length
        if len(data) < end:
            return None
        self.offset = end
        return head[0] & 15, bytes(data[begin:end])

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == CLOSE:
            self.close = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else _NO_STATUS
        elif opcode == PONG:
            self.pongs.append(payload)
        elif opcode in (TEXT, BINARY) and HANDLER_RAN in payload:
            self.handler_runs += 1
