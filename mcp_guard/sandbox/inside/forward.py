"""The way out of a box without a network: a port on its own loopback interface leads to a Unix socket."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    import socket
    from typing import Final

MOST_CONNECTIONS: Final = 32
CHUNK: Final = 64 * 1024
BACKLOG: Final = 16
MOST_DESCRIPTORS: Final = 1 << 16


def start(port: int, path: str) -> None:
    """Listen on 127.0.0.1 and carry each connection to the Unix socket, in a process of its own.

    It is forked twice, so that the program that follows finds no child which it has not started.

    Raises:
        OSError: when the port cannot be had.
    """
    import socket  # noqa: PLC0415 (only boxes with a way out pay for it)

    listener = socket.create_server(("127.0.0.1", port), backlog=BACKLOG)
    child = os.fork()
    if child == 0:
        if os.fork() == 0:
            _carry_all(listener, path)
        os._exit(0)
    os.waitpid(child, 0)
    listener.close()


def _carry_all(listener: socket.socket, path: str) -> None:
    """Carry bytes until the box ends."""
    import asyncio  # noqa: PLC0415 (in this process alone)

    _let_go(listener.fileno())
    asyncio.run(_serve(asyncio.Semaphore(MOST_CONNECTIONS), listener, path))


def _let_go(kept: int) -> None:
    """Keep nothing of what the program has: its streams end with it, not with this process."""
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.closerange(3, kept)
    os.closerange(kept + 1, MOST_DESCRIPTORS)


async def _serve(places: asyncio.Semaphore, listener: socket.socket, path: str) -> None:
    import asyncio  # noqa: PLC0415

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with places:
            await _pair(reader, writer, path)

    server = await asyncio.start_server(accept, sock=listener, limit=CHUNK)
    await server.serve_forever()


async def _pair(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> None:
    """Carry one connection both ways; where one of them fails, both end."""
    import asyncio  # noqa: PLC0415

    try:
        far_reader, far_writer = await asyncio.open_unix_connection(path, limit=CHUNK)
    except OSError:
        writer.close()
        return
    try:
        await asyncio.gather(_carry(reader, far_writer), _carry(far_reader, writer))
    except OSError:
        pass
    finally:
        writer.close()
        far_writer.close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes one way, as fast as they are taken, and then its end: the other side may go on."""
    while True:
        data = await reader.read(CHUNK)
        if not data:
            writer.write_eof()
            return
        writer.write(data)
        await writer.drain()
