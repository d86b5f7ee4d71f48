"""A collector over HTTPS that takes events, or misbehaves in the way that a file tells.

``python -m tests.siem.collector PORT FOLDER`` runs one in a process of its own. The folder holds its
certificate and key (``server.pem``), ``mode``, and what it has taken (``taken.ndjson``).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import ssl
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import trustme

REDIRECTED = "/elsewhere"


class Collector:
    """Takes events into a file, one line each, before it answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self.sent = 0
        self.requests: list[tuple[str, dict[str, str]]] = []

    @property
    def mode(self) -> str:
        """How it answers: ``take`` or one of the ways not to."""
        file = self.folder / "mode"
        return file.read_text("ascii").strip() if file.exists() else "take"

    @mode.setter
    def mode(self, value: str) -> None:
        partial = self.folder / "mode.new"
        partial.write_text(value, "ascii")
        partial.replace(self.folder / "mode")

    @property
    def taken(self) -> list[dict[str, Any]]:
        """The events that it took, in their order, those taken twice twice."""
        file = self.folder / "taken.ndjson"
        return [json.loads(line) for line in file.read_bytes().splitlines()] if file.exists() else []

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve the one request of a connection."""
        with contextlib.suppress(OSError, EOFError, ValueError):
            await self._answer(reader, writer)
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        target, *lines = head.rstrip().split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(fields.get("content-length", "0")))
        self.requests.append((target, fields))
        name, *arguments = self.mode.split()
        if name.isdigit():
            writer.write(_reply(int(name), b"said: " + fields.get("authorization", "").encode(), *arguments))
        else:
            await WAYS[name](self, body, writer, *arguments)
        await writer.drain()

    def take(self, body: bytes, writer: asyncio.StreamWriter) -> None:
        """Keep the events, and then say so."""
        if body.startswith(b"["):
            body = b"".join(json.dumps(each).encode() + b"\n" for each in json.loads(body))
        with (self.folder / "taken.ndjson").open("ab", buffering=0) as file:
            file.write(body)
        writer.write(_reply(200, b"{}"))


async def _take(collector: Collector, body: bytes, writer: asyncio.StreamWriter) -> None:
    collector.take(body, writer)


async def _slow(collector: Collector, body: bytes, writer: asyncio.StreamWriter, seconds: str) -> None:
    await asyncio.sleep(float(seconds))
    collector.take(body, writer)


async def _reset(collector: Collector, body: bytes, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def _lose_answer(collector: Collector, body: bytes, writer: asyncio.StreamWriter) -> None:
    """Take the events, and break the connection when that should be said."""
    collector.take(body, _Deaf())
    writer.transport.abort()


async def _lose_some(collector: Collector, body: bytes, writer: asyncio.StreamWriter) -> None:
    """Reset one connection in two, half of these after the events were taken."""
    way = random.choice([_take, _take, _reset, _lose_answer])
    await way(collector, body, writer)


async def _redirect(collector: Collector, body: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(_reply(307, b"", f"Location: {REDIRECTED}"))


async def _endless(collector: Collector, body: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 500 Oh\r\nConnection: close\r\n\r\n")
    for _ in range(1000):
        writer.write(b"x" * 65536)
        await writer.drain()
        await asyncio.sleep(0)
        if writer.is_closing():
            break
        collector.sent += 65536


async def _drip(collector: Collector, body: bytes, writer: asyncio.StreamWriter) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10_000:
        writer.write(bytes([byte]))
        await asyncio.sleep(0.02)


async def _at_most(collector: Collector, body: bytes, writer: asyncio.StreamWriter, count: str) -> None:
    if body.count(b"\n") > int(count):
        writer.write(_reply(413, b"too much"))
    else:
        collector.take(body, writer)


async def _without(collector: Collector, body: bytes, writer: asyncio.StreamWriter, word: str) -> None:
    if word.encode() in body:
        writer.write(_reply(400, b"bad event"))
    else:
        collector.take(body, writer)


WAYS: Final[dict[str, Callable[..., Awaitable[None]]]] = {
    "take": _take,
    "slow": _slow,
    "reset": _reset,
    "lose-answer": _lose_answer,
    "lose-some": _lose_some,
    "redirect": _redirect,
    "endless": _endless,
    "drip": _drip,
    "at-most": _at_most,
    "without": _without,
}
"""The ways to answer by name; the name may be followed by an argument. A number is a status."""


class _Deaf:
    def write(self, data: bytes) -> None:
        """Say nothing."""


def _reply(status: int, body: bytes, *fields: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close", *fields]
    return "\r\n".join([*lines, "", ""]).encode() + body


def certify(folder: Path, name: str = "127.0.0.1") -> None:
    """Make a CA (``ca.pem``) and a certificate of it for a name (``server.pem``)."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    ca.issue_cert(name).private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))


def server_context(folder: Path) -> ssl.SSLContext:
    """Return what a server with that certificate speaks TLS by."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "server.pem")
    return context


@contextmanager
def collecting(folder: Path) -> Iterator[Collector]:
    """Run a collector on a thread of this process; the folder is certified."""
    collector, loop = Collector(folder), asyncio.new_event_loop()

    async def start() -> asyncio.Server:
        return await asyncio.start_server(collector.accept, "127.0.0.1", 0, ssl=server_context(folder))

    server = loop.run_until_complete(start())
    collector.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield collector
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def main(port: int, folder: Path) -> None:
    server = await asyncio.start_server(
        Collector(folder).accept, "127.0.0.1", port, ssl=server_context(folder)
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
