"""A small HTTP/1.1 client that notes when it asked and when it was answered, and readers of streams."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import Any, NamedTuple

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

WAIT_SECONDS = 20.0
LOST = 0
"""The status of a request that got no answer: the connection failed, or nothing came in time."""


class Answer(NamedTuple):
    """One answer; the times are of the monotonic clock, which all processes of a machine share."""

    status: int
    sent: float
    received: float
    body: bytes = b""

    @property
    def is_admitted(self) -> bool:
        return self.status == 200

    @property
    def seconds(self) -> float:
        return self.received - self.sent


class HttpClient:
    """One connection that is used again and again."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str, headers: dict[str, str], wait: float = WAIT_SECONDS) -> Answer:
        """Return the answer to a GET."""
        sent = time.monotonic()
        try:
            async with asyncio.timeout(wait):
                reader, writer = self._streams or await asyncio.open_connection("127.0.0.1", self._port)
                self._streams = reader, writer
                sent = time.monotonic()
                writer.write(_request(path, headers, self._port))
                status, fields = await _head(reader)
                received = time.monotonic()
                body = await reader.readexactly(int(fields.get("content-length", "0")))
                return Answer(status, sent, received, body)
        except (OSError, EOFError, TimeoutError):
            self.close()
            return Answer(LOST, sent, time.monotonic())
        except asyncio.CancelledError:
            self.close()
            raise

    def close(self) -> None:
        """Drop the connection; the next request makes a new one."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def read_state(port: int) -> dict[str, Any]:
    """Return what a worker says of itself."""
    client = HttpClient(port)
    answer = await client.get("/state", {})
    client.close()
    found: dict[str, Any] = json.loads(answer.body)
    return found


class Stream:
    """An event stream that is open; ``ended_at`` is set when the server has ended it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.ended_at = 0.0
        self.last_tick_at = 0.0
        self.code = 0
        self._task = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, port: int, path: str, headers: dict[str, str]) -> Stream:
        """Open a stream.

        Raises:
            PermissionError: when it is refused.
        """
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(_request(path, headers, port))
        status, _ = await _head(reader)
        if status != 200:
            writer.close()
            raise PermissionError(status)
        return cls(reader, writer)

    async def ended(self, wait: float) -> bool:
        """Wait for the end of the stream and return whether it came."""
        await asyncio.wait([self._task], timeout=wait)
        return bool(self.ended_at)

    def close(self) -> None:
        self._task.cancel()
        self._writer.close()

    async def _read(self) -> None:
        with contextlib.suppress(OSError, EOFError):
            while (size := int(await self._reader.readuntil(b"\r\n"), 16)) > 0:
                await self._reader.readexactly(size + 2)
                self.last_tick_at = time.monotonic()
        self.ended_at = time.monotonic()


class Socket:
    """An open WebSocket; ``ended_at`` and ``code`` are set when the server has closed it."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.ended_at = 0.0
        self.code = 0
        self.answered: list[Any] = []
        self._task = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, port: int, path: str, headers: dict[str, str]) -> Socket:
        """Open a socket.

        Raises:
            PermissionError: when the handshake is refused.
        """
        url = f"ws://127.0.0.1:{port}{path}"
        try:
            opened = await connect(
                url, additional_headers=headers, ping_interval=None, open_timeout=WAIT_SECONDS, proxy=None
            )
        except InvalidStatus as refused:
            raise PermissionError(refused.response.status_code) from None
        return cls(opened)

    async def send(self, identifier: str) -> float | None:
        """Send a ping with this id; return when, None when the socket is closed."""
        moment = time.monotonic()
        try:
            await self.connection.send(json.dumps({"jsonrpc": "2.0", "id": identifier, "method": "ping"}))
        except ConnectionClosed:
            return None
        return moment

    async def ended(self, wait: float) -> bool:
        """Wait for the close and return whether it came."""
        await asyncio.wait([self._task], timeout=wait)
        return bool(self.ended_at)

    def close(self) -> None:
        self._task.cancel()
        self.connection.transport.abort()

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                self.answered.append(json.loads(await self.connection.recv())["id"])
        self.ended_at = time.monotonic()
        self.code = self.connection.close_code or 0


def bearer(text: str) -> dict[str, str]:
    """Return the header that presents a token."""
    return {"Authorization": f"Bearer {text}"}


def _request(path: str, headers: dict[str, str], port: int) -> bytes:
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """Return status and headers of an answer, names in lower case."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *rest = head.split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    return int(first.split()[1]), fields
