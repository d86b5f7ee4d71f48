"""A session of the SDK with one process of a registered server, over the process's pipes.

A process speaks one of the revisions that begin with a handshake; its callers may speak any. It is offered
nothing that a server can ask a client for: of several callers nobody could tell which one it means.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

import anyio
from mcp import ClientSession
from mcp.client.session import IncomingMessage
from mcp.shared.dispatcher import CallOptions, ProgressFnT
from mcp.shared.exceptions import MCPError
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp.shared.message import SessionMessage
from mcp.types import CONNECTION_CLOSED, INTERNAL_ERROR, Implementation, ServerCapabilities
from mcp.types.methods import parse_server_result
from pydantic import ValidationError

from mcp_guard import __version__
from mcp_guard.mcp.pipes import MALFORMED, read_messages, write_messages
from mcp_guard.sandbox.box import Box
from mcp_guard.servers.ends import End, Ending

ENDED: Final = "The server ended before it answered"

_GONE: Final = (CONNECTION_CLOSED, "Connection closed")
"""What the SDK answers in place of a process that is gone; the code alone is used by processes, too."""


class Hearer(Protocol):
    """Told what a process says unasked."""

    async def hear(self, message: IncomingMessage) -> None:
        """Take notice of a notification; this may not wait for any client."""


class Child:
    """The session with one process: what it offers, and a way to ask it."""

    def __init__(self, session: ClientSession, dispatcher: JSONRPCDispatcher[Any]) -> None:
        self.closed: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self.heard = time.monotonic()
        self._session = session
        self._dispatcher = dispatcher

    @property
    def capabilities(self) -> ServerCapabilities:
        """What it says it can do."""
        return self._session.server_capabilities or ServerCapabilities()

    @property
    def info(self) -> Implementation | None:
        """Who it says it is."""
        return self._session.server_info

    @property
    def instructions(self) -> str | None:
        """How it says it is to be used."""
        return self._session.instructions

    async def open(self) -> None:
        """Do the handshake.

        Raises:
            MCPError: when it is refused, or the process is gone.
        """
        await self._session.initialize()

    async def ping(self) -> None:
        """Return when it has answered."""
        await self._session.send_ping()

    async def ask(
        self, method: str, params: Mapping[str, Any], on_progress: ProgressFnT | None = None
    ) -> Any:
        """Return its answer, as the SDK's model of it. Whoever is cancelled here cancels the request there.

        Raises:
            MCPError: the error that it answers with, that it is gone, or that its answer is none.
        """
        options: CallOptions = {} if on_progress is None else {"on_progress": on_progress}
        try:
            answer = await self._dispatcher.send_raw_request(method, params, options)
        except MCPError as error:
            if (error.error.code, error.error.message) == _GONE:
                raise MCPError(INTERNAL_ERROR, ENDED) from None
            raise
        try:
            return parse_server_result(method, self._session.protocol_version or "", answer)
        except ValidationError:
            raise MCPError(INTERNAL_ERROR, MALFORMED) from None

    def hear(self) -> None:
        """Take notice that it said something."""
        self.heard = time.monotonic()

    def end(self, ending: Ending) -> None:
        """Say that it can no longer be spoken with; the first word counts."""
        if not self.closed.done():
            self.closed.set_result(ending)


@asynccontextmanager
async def connect(box: Box, hearer: Hearer, note: Callable[[str], None]) -> AsyncIterator[Child]:
    """Speak MCP with a process for the length of the block; what is asked and not answered then fails."""
    into, from_process = anyio.create_memory_object_stream[SessionMessage | Exception]()
    to_process, out_of = anyio.create_memory_object_stream[SessionMessage]()
    dispatcher: JSONRPCDispatcher[Any] = JSONRPCDispatcher(from_process, to_process)

    session = ClientSession(
        dispatcher=dispatcher,
        message_handler=hearer.hear,
        client_info=Implementation(name="mcp_guard", version=__version__),
    )
    child = Child(session, dispatcher)

    async def reading() -> None:
        async with into:
            child.end(await read_messages(box.stdout, into, child.hear, note))

    async def writing() -> None:
        async with out_of:
            ending = await write_messages(box.stdin, out_of)
        if ending.end is not End.EXITED:  # else its output says when it has ended
            child.end(ending)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reading)
        tasks.start_soon(writing)
        try:
            async with session:
                yield child
        finally:
            tasks.cancel_scope.cancel()
