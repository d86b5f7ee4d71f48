"""A WebSocket transport for the SDK's client, which ships none: one JSON-RPC message per text frame.

The token goes into the first message, as a page would do it: a browser cannot set headers on a handshake.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp.types import jsonrpc_message_adapter
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

FromServer = MemoryObjectSendStream[SessionMessage | Exception]
ToServer = MemoryObjectReceiveStream[SessionMessage]
Streams = tuple[MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]]


@asynccontextmanager
async def websocket_transport(
    url: str, *, origin: str | None = None, bearer: str | None = None, headers: dict[str, str] | None = None
) -> AsyncIterator[Streams]:
    """Connect and yield the two streams that ``mcp.Client`` takes as a transport.

    Raises:
        InvalidStatus: when the handshake is refused; ``response.status_code`` says how.
    """
    async with connect(
        url,
        subprotocols=[Subprotocol("mcp")],
        origin=None if origin is None else Origin(origin),
        additional_headers=headers,
        open_timeout=5,
        close_timeout=2,
    ) as socket:
        from_server, client_reads = anyio.create_memory_object_stream[SessionMessage | Exception]()
        client_writes, to_server = anyio.create_memory_object_stream[SessionMessage]()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_read, socket, from_server)
            tasks.start_soon(_write, socket, to_server, bearer)
            yield client_reads, client_writes
            tasks.cancel_scope.cancel()


async def _read(socket: ClientConnection, from_server: FromServer) -> None:
    async with from_server:
        try:
            async for text in socket:
                message = jsonrpc_message_adapter.validate_json(text, by_name=False)
                await from_server.send(SessionMessage(message))
        except (ConnectionClosed, anyio.BrokenResourceError):
            return


async def _write(socket: ClientConnection, to_server: ToServer, bearer: str | None) -> None:
    async with to_server:
        async for outgoing in to_server:
            message: dict[str, Any] = outgoing.message.model_dump(
                mode="json", by_alias=True, exclude_unset=True
            )
            if bearer is not None:
                message["auth"] = {"bearer": bearer}
                bearer = None
            try:
                await socket.send(json.dumps(message))
            except ConnectionClosed:
                return
