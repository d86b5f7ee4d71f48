"""Floods, made by a process of their own: ``python -m tests.faults.flooding KIND PORT TOKEN COUNT SECONDS``.

What came of it is one line of JSON: how often connections ended how, or requests were answered with what.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
import socket
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any, Final

META: Final = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "flooder", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
AT_A_TIME: Final = 50
SMALL_BUFFER: Final = 4096

Found = Counter[str]


def call(tool: str, identifier: int, **arguments: Any) -> bytes:
    """Return the text of a tool call."""
    params = {"name": tool, "arguments": arguments, "_meta": META}
    return json.dumps({"jsonrpc": "2.0", "id": identifier, "method": "tools/call", "params": params}).encode()


def frame(payload: bytes) -> bytes:
    """Return a text frame (RFC 6455 section 5.2), masked with zeros, which costs nobody anything."""
    if len(payload) < 126:
        size = bytes([0x80 | len(payload)])
    elif len(payload) < 1 << 16:
        size = b"\xfe" + len(payload).to_bytes(2)
    else:
        size = b"\xff" + len(payload).to_bytes(8)
    return b"\x81" + size + bytes(4) + payload


def head(method: str, path: str, token: str, *lines: str) -> bytes:
    """Return the head of a request."""
    bearer = [f"Authorization: Bearer {token}"] if token else []
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *bearer, *lines, "", ""]).encode()


class Line:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, port: int, buffer: int = 0) -> Line:
        """Connect, with a small receive buffer if one is given."""
        raw = socket.socket()
        if buffer:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        raw.setblocking(False)
        await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port))
        return cls(*await asyncio.open_connection(sock=raw))

    @classmethod
    async def upgraded(cls, port: int, path: str, token: str, buffer: int = 0) -> Line:
        """Open a WebSocket.

        Raises:
            PermissionError: when it is refused.
        """
        line = await cls.open(port, buffer)
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        lines = ("Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}")
        line.writer.write(head("GET", path, token, *lines, "Sec-WebSocket-Version: 13"))
        answer = await line.reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in answer.splitlines()[0]:
            raise PermissionError(answer.splitlines()[0].decode())
        return line

    async def close_code(self) -> str:
        """Read until the end and return the code it was closed with."""
        with suppress(OSError, EOFError):
            while True:
                first, second = await self.reader.readexactly(2)
                size = second & 0x7F
                if size > 125:
                    size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8))
                payload = await self.reader.readexactly(size)
                if first & 0x0F == 8:
                    return str(int.from_bytes(payload[:2]))
        return "dropped"

    async def answer(self) -> str:
        """Return the status of an answer whose length is told."""
        top = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        size = int(top.partition("content-length:")[2].split()[0]) if "content-length:" in top else 0
        await self.reader.readexactly(size)
        return top.split()[1]

    def close(self) -> None:
        """Drop the connection."""
        self.writer.transport.abort()


class Flood:
    """What all floods have: where to, with what, how many, for how long."""

    def __init__(self, port: int, token: str, count: int, seconds: float) -> None:
        self.port = port
        self.token = token
        self.count = count
        self.seconds = seconds
        self.found: Found = Counter()

    @property
    def is_over(self) -> bool:
        return time.monotonic() > self._until

    async def run(self, one: Callable[[], Awaitable[None]]) -> None:
        """Run as many of one kind as there are, and note those that fail."""
        self._until = time.monotonic() + self.seconds

        async def noted() -> None:
            try:
                await one()
            except PermissionError as refused:
                self.found[f"refused {refused}"] += 1
            except (OSError, EOFError):
                self.found["dropped"] += 1

        await asyncio.gather(*(noted() for _ in range(self.count)))

    async def fast(self) -> None:
        """Call a slow tool as fast as it can."""
        await self._send_all(frame(call("slow", n, padding="x" * 1000)) for n in range(1_000_000))

    async def tiny(self) -> None:
        """Send the smallest messages there are."""
        some = frame(b"") * 1000
        await self._send_all(some for _ in range(100_000))

    async def _send_all(self, frames: Iterator[bytes]) -> None:
        line = await Line.upgraded(self.port, "/mcp/ws", self.token)
        reading = asyncio.create_task(line.close_code())
        with suppress(OSError):
            for number, one in enumerate(frames):
                if reading.done() or self.is_over:
                    break
                line.writer.write(one)
                if number % 16 == 0:
                    await line.writer.drain()
        await asyncio.wait([reading], timeout=10)
        self.found[f"closed {reading.result()}" if reading.done() else "still open"] += 1
        reading.cancel()
        line.close()

    async def unread(self) -> None:
        """Ask for long answers and read none of them."""
        line = await Line.upgraded(self.port, "/mcp/ws", self.token, SMALL_BUFFER)
        line.writer.transport.pause_reading()  # type: ignore[attr-defined]
        began, number = time.monotonic(), 0
        while not line.writer.is_closing() and not self.is_over:
            line.writer.write(frame(call("long", number, size=10_000)))
            number += 1
            await asyncio.sleep(0.02)
        self.found["dropped" if line.writer.is_closing() else "still open"] += 1
        self.found["seconds"] = max(self.found["seconds"], round(time.monotonic() - began))
        line.close()

    async def unread_stream(self) -> None:
        """Open event streams and read none of them."""
        line = await Line.open(self.port, SMALL_BUFFER)
        line.writer.transport.pause_reading()  # type: ignore[attr-defined]
        line.writer.write(head("GET", "/flow", self.token))
        began = time.monotonic()
        while not line.writer.is_closing() and not self.is_over:
            await asyncio.sleep(0.2)
            if time.monotonic() - began > 1:
                line.writer.write(b" ")
        self.found["dropped" if line.writer.is_closing() else "still open"] += 1
        line.close()

    async def silent(self) -> None:
        """Say nothing."""
        line = await Line.upgraded(self.port, "/mcp/ws", self.token)
        ending = asyncio.create_task(line.close_code())
        await asyncio.wait([ending], timeout=max(0.0, self._until - time.monotonic()))
        self.found[f"closed {ending.result()}" if ending.done() else "still open"] += 1
        ending.cancel()
        line.close()

    async def bombs(self) -> None:
        """Post what is costly to read."""
        line = await Line.open(self.port)
        while not self.is_over:
            for body in BOMBS:
                length = f"Content-Length: {len(body)}"
                line.writer.write(
                    head("POST", "/call", self.token, "Content-Type: application/json", length) + body
                )
                self.found[await line.answer()] += 1

    async def bombs_of_sockets(self) -> None:
        """Send what is costly to read, and open the socket again."""
        while not self.is_over:
            for body in BOMBS:
                line = await Line.upgraded(self.port, "/ws", self.token)
                line.writer.write(frame(body[:60_000]))
                self.found[f"closed {await line.close_code()}"] += 1
                line.close()

    async def slow_heads(self) -> None:
        """Send a head, a byte in a second."""
        await self._drip(head("POST", "/call", self.token)[:-4] + b"\r\nX-Slow: " + b"x" * 1000)

    async def slow_bodies(self) -> None:
        """Send a body, a byte in a second."""
        line = head("POST", "/call", self.token, "Content-Type: application/json", "Content-Length: 1000")
        await self._drip(b'{"jsonrpc": ' + b" " * 1000, line)

    async def _drip(self, text: bytes, first: bytes = b"") -> None:
        line = await Line.open(self.port)
        line.writer.write(first)
        ended = asyncio.create_task(line.reader.read(100))
        for byte in text:
            if ended.done() or self.is_over:
                break
            line.writer.write(bytes([byte]))
            await asyncio.wait([ended], timeout=1)
        answer = ended.result() if ended.done() else b""
        status = answer.split()[1].decode() if answer else "without an answer"
        self.found[f"ended {status}" if ended.done() else "still open"] += 1
        ended.cancel()
        line.close()

    async def failures(self) -> None:
        """Present tokens that are none."""
        line = await Line.open(self.port)
        while not self.is_over:
            line.writer.write(head("GET", "/call", f"mcpg_{secrets.token_hex(24)}"))
            self.found[await line.answer()] += 1


BOMBS: Final = (
    b"[" * 100_000,
    b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"n":' + b"9" * 100_000 + b"}}",
    b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"n":[' + b"[]," * 300_000 + b"0]}}",
    b"{" + b",".join(b'"k%d":0' % number for number in range(100_000)) + b"}",
    b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"n":1e999}}' + b" " * 60_000,
)


async def main(kind: str, port: str, token: str, count: str, seconds: str) -> None:
    """Make one flood."""
    flood = Flood(int(port), token, int(count), float(seconds))
    await flood.run(getattr(flood, kind))
    print(json.dumps(flood.found))


if __name__ == "__main__":
    os.nice(5)  # the clients of the good traffic come first
    asyncio.run(main(*sys.argv[1:]))
