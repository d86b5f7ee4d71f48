"""A WebSocket client that costs next to nothing (RFC 6455), so that the server is what a rate is of.

It sends one text again and again, as one frame that is made once, and knows the one frame that has to come
back: what arrives is compared with it as a whole. Masking and parsing each message anew, as a library does,
costs more than the quicker servers take to answer.
"""

from __future__ import annotations

import base64
import hashlib
import os
import select
import socket
import time
from collections.abc import Iterable, Sequence
from typing import Final, Self

SECONDS: Final = 30.0
"""How long a server may take to answer."""

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_READ: Final = 65_536

TEXT: Final = 0x1
CLOSE: Final = 0x8
_FINAL: Final = 0x80
_MASKED: Final = 0x80


def _head(opcode: int, length: int, masked: int = 0) -> bytes:
    """Return the head of a whole frame (section 5.2)."""
    if length < 126:
        return bytes([_FINAL | opcode, masked | length])
    if length < 65_536:
        return bytes([_FINAL | opcode, masked | 126]) + length.to_bytes(2)
    return bytes([_FINAL | opcode, masked | 127]) + length.to_bytes(8)


def sent(opcode: int, payload: bytes) -> bytes:
    """Return a frame as a client sends it, under a mask of its own (section 5.3)."""
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
    return _head(opcode, len(payload), _MASKED) + mask + masked


def answered(text: str) -> bytes:
    """Return the frame in which a server sends a text."""
    payload = text.encode()
    return _head(TEXT, len(payload)) + payload


class Client:
    """One WebSocket. Its handshake is under way once it is made, and done once it is ``open``."""

    def __init__(self, port: int, host: str, path: str, headers: Iterable[tuple[str, str]]) -> None:
        self._key = base64.b64encode(os.urandom(16))
        self._socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        upgrade = [
            ("Host", host),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", self._key.decode()),
            ("Sec-WebSocket-Version", "13"),
        ]
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in (*upgrade, *headers))]
        self._socket.sendall("\r\n".join((*lines, "", "")).encode())

    def open(self) -> Self:
        """Return it once the server has accepted the handshake (section 4.1).

        Raises:
            RuntimeError: when it has not.
        """
        head = b""
        while b"\r\n\r\n" not in head:
            head += self._read()
        status, *lines = head.decode("latin-1").split("\r\n")
        fields = (line.partition(":") for line in lines)
        found = {name.strip().lower(): value.strip() for name, _, value in fields}
        digest = hashlib.sha1(self._key + _GUID, usedforsecurity=False).digest()
        is_accepted = found.get("sec-websocket-accept", "") == base64.b64encode(digest).decode()
        if status.split()[1:2] != ["101"] or not is_accepted:
            raise RuntimeError(f"a handshake was answered with {status!r}")
        return self

    def _read(self) -> bytes:
        data = self._socket.recv(_READ)
        if not data:
            raise RuntimeError("a server has closed a connection")
        return data

    def fileno(self) -> int:
        """Return its file descriptor."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close it, and wait until the server has (section 7.1.2)."""
        self._socket.sendall(sent(CLOSE, (1000).to_bytes(2)))
        while self._socket.recv(_READ):
            pass
        self._socket.close()

    def abort(self) -> None:
        """Drop the connection."""
        self._socket.close()


def exchange(clients: Sequence[Client], text: str, answer: str, seconds: float) -> int:
    """Send a text over each WebSocket and again once it is answered; return how many were answered.

    Raises:
        RuntimeError: when something else comes back than ``answer``, or nothing.
    """
    question, expected = sent(TEXT, text.encode()), answered(answer)
    begun: dict[int, bytes] = {}
    done, open_questions = 0, len(clients)
    with select.epoll() as poll:
        for client in clients:
            poll.register(client, select.EPOLLIN)
            os.write(client.fileno(), question)
        end = time.perf_counter() + seconds
        while open_questions:
            ready = poll.poll(SECONDS)
            if not ready:
                raise RuntimeError("a message was not answered")
            goes_on = time.perf_counter() < end
            for number, _ in ready:
                data = os.read(number, _READ)
                if data != expected:
                    data = begun.pop(number, b"") + data
                    if data != expected:
                        begun[number] = _beginning(data, expected)
                        continue
                done += 1
                if goes_on:
                    os.write(number, question)
                else:
                    open_questions -= 1
    return done


def _beginning(data: bytes, expected: bytes) -> bytes:
    """Return what arrived of an answer so far."""
    if not data or not expected.startswith(data):
        raise RuntimeError(f"a message was answered with {data[:80]!r}")
    return data
