"""The way out of a box: a proxy on a Unix socket that opens tunnels to named hosts and to nothing else.

A box without a network reaches it through a port on its own loopback interface (``inside.forward``). It
answers ``CONNECT`` (RFC 9110 section 9.3.6), resolves names itself, and connects to the very address that it
has looked at, so that a name cannot come to mean a machine behind the firewall.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import socket
from dataclasses import dataclass, field
from typing import Final

MOST_TUNNELS: Final = 32
HEAD_BYTES: Final = 8 * 1024
HEAD_SECONDS: Final = 10.0
RESOLVE_SECONDS: Final = 5.0
CONNECT_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 300.0
TUNNEL_SECONDS: Final = 3600.0
TUNNEL_BYTES: Final = 1 << 30
CHUNK: Final = 64 * 1024
SOCKET: Final = "egress"

CARRIES_IPV4: Final = tuple(map(ipaddress.IPv6Network, ("::ffff:0:0/96", "64:ff9b::/96", "2002::/16")))
"""Addresses that mean another one of IPv4, which may be private (RFC 4291, 6052, 3056)."""

ESTABLISHED: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"


class _RefusedError(Exception):
    """No tunnel is opened; ``status`` is what the box is told."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


@dataclass(slots=True)
class Egress:
    """A proxy that listens. ``refused`` counts the tunnels that were asked for and not opened."""

    hosts: frozenset[str]
    path: str
    refused: int = 0
    _server: asyncio.Server | None = None
    _tunnels: set[asyncio.Task[None]] = field(default_factory=set)

    async def close(self) -> None:
        """End all tunnels and listen no longer; the socket goes with its folder."""
        if self._server:
            self._server.close()
        for task in self._tunnels:
            task.cancel()
        await asyncio.gather(*self._tunnels, return_exceptions=True)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection in a task of its own; too many are closed unheard."""
        if len(self._tunnels) >= MOST_TUNNELS:
            self.refused += 1
            writer.close()
            return
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tunnels.add(task)
        task.add_done_callback(self._tunnels.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(TUNNEL_SECONDS):
                await self._tunnel(reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the box sees its connection end, and may open another
        finally:
            writer.close()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            far_reader, far_writer = await _connect(*await resolve(target(head, self.hosts)))
        except _RefusedError as refused:
            self.refused += 1
            writer.write(
                f"HTTP/1.1 {refused.status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
            )
            await writer.drain()
            return
        try:
            writer.write(ESTABLISHED)
            async with asyncio.TaskGroup() as directions:
                directions.create_task(_carry(reader, far_writer))
                directions.create_task(_carry(far_reader, writer))
        except* (OSError, TimeoutError):
            pass  # one side has gone, and so does the other
        finally:
            far_writer.close()


async def listen(hosts: tuple[str, ...], folder: str, user: tuple[int, int]) -> Egress:
    """Listen on a socket in a folder that belongs to the box alone, and return the proxy.

    Args:
        hosts: what may be connected to, as ``name:port``.
        folder: an empty folder that only this user can enter.
        user: whom the box runs as.

    Raises:
        OSError: when the socket cannot be made.
    """
    egress = Egress(frozenset(hosts), f"{folder}/{SOCKET}")
    egress._server = await asyncio.start_unix_server(egress.accept, egress.path, limit=HEAD_BYTES)  # noqa: SLF001
    os.chown(egress.path, *user, follow_symlinks=False)  # the user's own processes may write to the folder
    return egress


def target(head: bytes, hosts: frozenset[str]) -> str:
    """Return the ``name:port`` that a request asks for, when it is one of the hosts.

    Raises:
        _RefusedError: when it is another one, or no request to connect.
    """
    words = head.split(b"\r\n", 1)[0].decode("ascii", "replace").split(" ")
    if len(words) != 3 or words[2] not in ("HTTP/1.1", "HTTP/1.0"):
        raise _RefusedError("400 Bad Request")
    if words[0] != "CONNECT":
        raise _RefusedError("405 Method Not Allowed")
    asked = words[1].lower()
    if asked not in hosts:
        raise _RefusedError("403 Forbidden")
    return asked


async def resolve(host: str) -> tuple[str, int]:
    """Return an address and the port of a host that was registered.

    An address that was registered is taken as it is. A name has to lead to addresses of the internet alone: a
    single private, loopback or link-local one (such as that of a cloud's metadata) refuses it.

    Raises:
        _RefusedError: when there is no such address.
    """
    name, _, port = host.rpartition(":")
    name = name.strip("[]")
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(name)), int(port)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            found = await loop.getaddrinfo(name, int(port), type=socket.SOCK_STREAM)
    except (OSError, TimeoutError):
        raise _RefusedError("502 Bad Gateway") from None
    addresses = [str(one[4][0]) for one in found]
    if not addresses or not all(_is_public(address) for address in addresses):
        raise _RefusedError("403 Forbidden")
    return addresses[0], int(port)


def _is_public(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and any(address in one for one in CARRIES_IPV4):
        return False
    return address.is_global and not address.is_multicast


async def _connect(address: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await asyncio.open_connection(address, port, limit=CHUNK)
    except (OSError, TimeoutError):
        raise _RefusedError("502 Bad Gateway") from None


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes one way until that side ends, falls silent, or has said as much as it may."""
    carried = 0
    while carried < TUNNEL_BYTES:
        async with asyncio.timeout(IDLE_SECONDS):
            data = await reader.read(CHUNK)
            writer.write(data)
            await writer.drain()
        carried += len(data)
        if not data:
            if writer.can_write_eof():
                writer.write_eof()
            return
    raise TimeoutError
