"""A TCP proxy that can begin to swallow everything: to both sides the other one has fallen silent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Proxy:
    """Hands on the bytes of each connection while ``swallows`` is off.

    What was swallowed never arrives: the connections of that time are lost, though they look alive.
    """

    def __init__(self, target: int) -> None:
        self.port = 0
        self.swallows = False
        self._target = target
        self._open: set[asyncio.StreamWriter] = set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection; one that is made while everything is swallowed stays silent for ever."""
        writers = [writer]
        self._open.add(writer)
        with contextlib.suppress(OSError):
            if self.swallows:
                await reader.read()
            else:
                inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._target)
                writers.append(inner_writer)
                self._open.add(inner_writer)
                await asyncio.gather(self._hand_on(reader, inner_writer), self._hand_on(inner_reader, writer))
        for each in writers:
            self._open.discard(each)
            each.close()

    async def close(self) -> None:
        """Drop every connection."""
        for writer in self._open:
            writer.transport.abort()
        await asyncio.gather(*(writer.wait_closed() for writer in self._open), return_exceptions=True)

    async def _hand_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while part := await reader.read(65536):
                if not self.swallows:
                    writer.write(part)
                    await writer.drain()
        if not self.swallows:
            writer.close()


@asynccontextmanager
async def proxy(target: int) -> AsyncIterator[Proxy]:
    """Run a proxy to a port of this machine."""
    running = Proxy(target)
    server = await asyncio.start_server(running.accept, "127.0.0.1", 0)
    running.port = server.sockets[0].getsockname()[1]
    try:
        yield running
    finally:
        server.close()
        await running.close()
