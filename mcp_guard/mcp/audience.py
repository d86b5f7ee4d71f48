"""Those who hear what a process says unasked: that its lists or resources changed, and what it logs.

Clients of the revisions with a handshake hear it on their connection, those of 2026-07-28 on the streams that
they listen on. A client that does not read delays nobody: what it cannot be told is dropped.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import Any, Final

from mcp.client.session import IncomingMessage
from mcp.server.connection import Connection, allowed_log_levels
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import event_from_wire
from mcp.types import (
    INTERNAL_ERROR,
    LoggingMessageNotification,
    ResourceUpdatedNotification,
)

from mcp_guard.mcp.child import Child
from mcp_guard.mcp.ear import Ear

MOST_SUBSCRIBED: Final = 1000
"""How many resources of one process are subscribed to at the same time."""

TELL_SECONDS: Final = 5.0
"""How long a process may take to answer that a subscription begins or ends."""

UPDATED: Final = "notifications/resources/updated"


class Audience:
    """Those who hear one process.

    What a shared one logs may be about anybody's call, so nobody hears that.
    """

    def __init__(self, *, hears_logs: bool) -> None:
        self._hears_logs = hears_logs
        self._ears: dict[Connection, Ear] = {}
        self._follows: dict[Connection, set[str]] = {}
        self._calls: dict[Ear, ServerRequestContext[Any, Any]] = {}
        self._uris: Counter[str] = Counter()
        self._told: Child | None = None
        self._bus = InMemorySubscriptionBus()
        self.listen = ListenHandler(self._bus)

    @property
    def is_heard(self) -> bool:
        """Whether there is anybody."""
        return bool(self._ears or self._uris)

    @property
    def is_subscribed(self) -> bool:
        """Whether somebody waits for news of a resource."""
        return bool(self._uris)

    def lose(self) -> None:
        """End the streams of those who listen, so that they come back and ask again."""
        self._told = None
        self.listen.close()

    def admit(self, connection: Connection) -> None:
        """Have a client hear until its connection ends."""
        if connection not in self._ears:
            self._ears[connection], self._follows[connection] = Ear(), set()
            connection.exit_stack.callback(self._leave, connection)

    @asynccontextmanager
    async def calling(self, ctx: ServerRequestContext[Any, Any]) -> AsyncIterator[None]:
        """Have a call hear what is logged while it runs, of the levels that it asked for, up to its end."""
        ear = Ear()
        self._calls[ear] = ctx
        try:
            yield
            await ear.told()
        finally:
            del self._calls[ear]
            ear.close()

    async def subscribe(self, child: Child, connection: Connection, uri: str) -> None:
        """Have a client hear of changes of a resource."""
        self.admit(connection)  # one that was opened while the server had other processes
        if uri not in self._follows[connection]:
            await self.take(child, [uri])
            self._follows[connection].add(uri)

    async def unsubscribe(self, child: Child, connection: Connection, uri: str) -> None:
        """Have a client hear no more of changes of a resource."""
        follows = self._follows.get(connection)
        if follows is not None and uri in follows:
            follows.discard(uri)
            for gone in self._release([uri]):
                await child.ask("resources/unsubscribe", {"uri": gone})

    async def catch_up(self, child: Child) -> None:
        """Subscribe again with a process that was started anew."""
        if self._told is child:
            return
        self._told = child
        for uri in list(self._uris):
            with suppress(MCPError):
                await _tell_subscribed(child, uri)

    @contextmanager
    def following(self, uris: Iterable[str]) -> Iterator[None]:
        """Count resources as subscribed to, after ``take``."""
        held = list(uris)
        try:
            yield
        finally:
            self._release(held)

    async def take(self, child: Child, uris: Iterable[str]) -> None:
        """Count resources as subscribed to, once the process knows of those that nobody had subscribed to.

        Raises:
            MCPError: when there are too many, or the process refuses.
        """
        wanted = list(dict.fromkeys(uris))
        new = [uri for uri in wanted if uri not in self._uris]
        if len(self._uris) + len(new) > MOST_SUBSCRIBED:
            raise MCPError(INTERNAL_ERROR, "Too many subscriptions")
        for uri in new:
            await _tell_subscribed(child, uri)
        self._uris.update(wanted)

    async def hear(self, message: IncomingMessage) -> None:
        """Pass on a notification."""
        match message:
            case Exception():
                return
            case LoggingMessageNotification():
                if self._hears_logs:
                    self._pass_on_log(message)
            case ResourceUpdatedNotification(params=params):
                self._tell(UPDATED, params.model_dump(by_alias=True, mode="json", exclude_none=True))
                await self._publish(UPDATED, {"uri": str(params.uri)})
            case _ if event_from_wire(message.method, None) is not None:
                self._tell(message.method, None)
                await self._publish(message.method, None)

    def _tell(self, method: str, params: dict[str, Any] | None) -> None:
        uri = None if params is None else str(params.get("uri"))
        for connection, ear in self._ears.items():
            if uri is None or uri in self._follows[connection]:
                ear.tell((method, uri), partial(connection.notify, method, params))

    async def _publish(self, method: str, params: dict[str, Any] | None) -> None:
        event = event_from_wire(method, params)
        if event is not None:
            await self._bus.publish(event)

    def _pass_on_log(self, log: LoggingMessageNotification) -> None:
        """Say what is logged to the calls that run and, while none does, to the connections."""
        for ear, ctx in self._calls.items():
            if log.params.level in allowed_log_levels(ctx.protocol_version, ctx.meta):
                ear.tell(object(), partial(ctx.session.send_notification, log, ctx.request_id))
        if not self._calls:
            text = log.params.model_dump(by_alias=True, mode="json", exclude_none=True)
            for connection, ear in self._ears.items():
                ear.tell(object(), partial(connection.notify, log.method, text))

    def _release(self, uris: list[str]) -> list[str]:
        """Count resources no more; return those that nobody is subscribed to now."""
        self._uris.subtract(uris)
        gone = [uri for uri in dict.fromkeys(uris) if self._uris[uri] <= 0]
        for uri in gone:
            del self._uris[uri]
        return gone

    def _leave(self, connection: Connection) -> None:
        self._ears.pop(connection).close()
        self._release(list(self._follows.pop(connection)))


async def _tell_subscribed(child: Child, uri: str) -> None:
    try:
        async with asyncio.timeout(TELL_SECONDS):
            await child.ask("resources/subscribe", {"uri": uri})
    except TimeoutError:
        raise MCPError(INTERNAL_ERROR, "The server did not answer") from None
