"""An SDK server object over WebSocket: a Channels consumer by contract, with a receive loop of its own.

Channels' dispatch crosses a thread for every message, which costs more than all judging. This consumer has
what a project expects of one (``as_asgi``, ``scope``, channel layer and groups), reads judged messages from
the guarded socket, and drives the server over memory streams.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial, update_wrapper
from typing import Any, ClassVar, Final

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from channels import DEFAULT_CHANNEL_LAYER
from channels.consumer import get_handler_name
from channels.layers import get_channel_layer
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import MCPServer
from mcp.shared.message import SessionMessage
from starlette.types import Receive, Scope, Send

from mcp_guard import conf, mounts
from mcp_guard.asgi.sweep import sweep
from mcp_guard.asgi.websocket import GuardedSocket
from mcp_guard.mcp import catalogue
from mcp_guard.mcp.calls import Calls
from mcp_guard.mcp.jsonrpc import Message, RequestId
from mcp_guard.mcp.principal import sdk_user
from mcp_guard.mcp.server import lowlevel, registers
from mcp_guard.mcp.shutdown import before_shutdown
from mcp_guard.mcp.streamable_http import refuse_unfit
from mcp_guard.policy.decision import Reason, Refused
from mcp_guard.policy.limits import CALL_BYTES

CLOSE_SECONDS: Final = 2.0
"""How long the server may take to cancel what still runs when its socket ends, in seconds."""

FORWARD_SECONDS: Final = 5.0
"""How long the server may take to accept a message, in seconds; one that takes longer is stuck."""

SERVER_FAILED: Final = 4500
"""Close code of a socket whose server failed; Daphne cannot send the registered 1011."""

ToServer = MemoryObjectSendStream[SessionMessage | Exception]

logger = logging.getLogger(__name__)


class MCPConsumer:
    """Serves one WebSocket. Its scope holds the principal, and no credentials, once it was let in.

    A subclass may name ``groups`` of the channel layer and handle their events in coroutine methods named by
    the event's type, as in Channels; ``notify`` pushes to the client.
    """

    groups: ClassVar[Sequence[str]] = ()
    channel_layer_alias: ClassVar[str] = DEFAULT_CHANNEL_LAYER

    def __init__(self, *, server: Server[Any], endpoint: str) -> None:
        self.server = server
        self.endpoint = endpoint
        self.scope: Scope = {}
        self.channel_layer: Any = None
        self.channel_name = ""

    @classmethod
    def as_asgi(cls, *, server: MCPServer[Any] | Server[Any], endpoint: str) -> Any:
        """Return an ASGI application that makes one consumer for each connection.

        Untyped like Channels' own, because its routing takes applications where Django's takes views.

        Raises:
            ImproperlyConfigured: as ``mount`` does.
        """
        refuse_unfit(endpoint)
        mounts.declare(endpoint, "websocket")
        catalogue.serve(endpoint, lowlevel(server))
        initkwargs: dict[str, Any] = {"server": lowlevel(server), "endpoint": endpoint}

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await cls(**initkwargs)(scope, receive, send)

        app.consumer_class = cls  # type: ignore[attr-defined]
        app.consumer_initkwargs = initkwargs  # type: ignore[attr-defined]
        update_wrapper(app, cls, updated=())
        return app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the connection until either side ends it."""
        self.socket = GuardedSocket(
            scope, receive, send, endpoint=conf.endpoint(self.endpoint), registered=registers(self.server)
        )
        if not await self.socket.open():
            return
        ended = asyncio.Event()
        take_back = before_shutdown(partial(self._close, ended))
        try:
            first = await self.socket.receive()
            if first is not None:
                await self._serve(first)
        finally:
            take_back()
            ended.set()
            await self.socket.close()

    async def notify(self, method: str, params: dict[str, Any] | None = None) -> bool:
        """Push a notification; return False when the socket is closed."""
        return await self.socket.send_text(Calls.notification(method, params))

    async def _close(self, ended: asyncio.Event) -> None:
        """Close the socket and wait until all that it started has ended, in bounded time."""
        await self._before_close()
        await self.socket.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), 2 * CLOSE_SECONDS)

    async def _before_close(self) -> None:
        """Wait, in bounded time, for what should end before the service closes the socket."""

    async def _serve(self, first: Message) -> None:
        """Run the server for a socket that was let in; the first message may be what let it in."""
        self.scope = self.socket.inner_scope
        auth_context_var.set(sdk_user(self.socket.principal))
        to_server, server_reads = anyio.create_memory_object_stream[SessionMessage | Exception]()
        server_writes, from_server = anyio.create_memory_object_stream[SessionMessage]()
        calls = Calls(self.scope, self.socket.endpoint, self.socket.pace)
        watch = _Watch(self.socket, calls, to_server)
        tasks = [
            asyncio.create_task(self._run_server(server_reads, server_writes)),
            asyncio.create_task(self._push(from_server, calls)),
        ]
        if self.groups:
            tasks.append(asyncio.create_task(self._listen()))
        sweep().add(watch)
        try:
            await self._forward(first, to_server, calls)
        finally:
            sweep().discard(watch)
            to_server.close()
            try:
                await _end(tasks)
            finally:
                calls.close()

    async def _forward(self, first: Message, to_server: ToServer, calls: Calls) -> None:
        """Hand every message to the server, which reads what was judged and nothing else."""
        message: Message | None = first
        while message is not None:
            refusal = calls.begin(message, CALL_BYTES + self.socket.weight, time.monotonic())
            if isinstance(refusal, Refused):
                await self.socket.answer_refused(refusal)
            elif refusal is not None:
                await self.socket.send_text(refusal)
            else:
                try:
                    with anyio.fail_after(FORWARD_SECONDS):
                        await to_server.send(calls.session_message(message))
                except (TimeoutError, anyio.BrokenResourceError):
                    await self.socket.close(SERVER_FAILED)
                    return
            message = await self.socket.receive()

    async def _run_server(
        self,
        reads: MemoryObjectReceiveStream[SessionMessage | Exception],
        writes: MemoryObjectSendStream[SessionMessage],
    ) -> None:
        try:
            async with reads, writes:
                await self.server.run(reads, writes, self.server.create_initialization_options())
        except Exception:
            logger.exception("the MCP server failed on a WebSocket")
            await self.socket.close(SERVER_FAILED)
        else:
            await self.socket.close()

    async def _push(self, from_server: MemoryObjectReceiveStream[SessionMessage], calls: Calls) -> None:
        async with from_server:
            async for outgoing in from_server:
                ended = calls.end(outgoing.message)
                if ended.is_late:
                    continue
                text = outgoing.message.model_dump_json(by_alias=True, exclude_unset=True)
                if not await self.socket.send_text(text, ended.own):
                    return

    async def _listen(self) -> None:
        """Hand the events of the channel layer to the methods named by their type."""
        layer = get_channel_layer(self.channel_layer_alias)
        if layer is None:
            raise ValueError(f"CHANNEL_LAYERS has no {self.channel_layer_alias!r}, which groups need")
        self.channel_layer, self.channel_name = layer, await layer.new_channel()
        try:
            for group in self.groups:
                await layer.group_add(group, self.channel_name)
            while True:
                event = await layer.receive(self.channel_name)
                await getattr(self, get_handler_name(event))(event)
        finally:
            for group in self.groups:
                await layer.group_discard(group, self.channel_name)


class _Watch:
    """Tells a client of its calls that take too long, and the server to end them."""

    def __init__(self, socket: GuardedSocket, calls: Calls, to_server: ToServer) -> None:
        self._socket = socket
        self._calls = calls
        self._to_server = to_server

    def look(self, now: float) -> None:
        """Cut off what takes too long."""
        for identifier in self._calls.overdue(now):
            self._socket.keep(self._cut(identifier))

    async def _cut(self, identifier: RequestId) -> None:
        with suppress(TimeoutError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            with anyio.fail_after(FORWARD_SECONDS):
                await self._to_server.send(Calls.cancellation(identifier))
        await self._socket.answer_refused(Refused(Reason.CALL_TOO_LONG, request_id=identifier))


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    """Wait for the tasks in bounded time, then cancel what is left; a failure among them is logged."""
    server, *others = tasks
    for task in others[1:]:
        task.cancel()
    await asyncio.wait([server, others[0]], timeout=CLOSE_SECONDS)
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            logger.error("a WebSocket's task failed", exc_info=outcome)
