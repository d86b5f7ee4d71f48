"""What a server lets one do with the connection behind ``receive`` and ``send``.

ASGI has no word for dropping a connection, nor for one that is full. uvicorn reads no further while its
application has a message to take, and makes ``send`` wait for a client that does not read. Daphne does
neither, so that is done here with what Twisted has for it. Of another server nothing is known: there,
nothing is done.
"""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from typing import Any, Final

from mcp_guard.asgi.exchange import Event, Send


class Transport:
    """The connection of a server of which nothing is known, and what is the same for every server."""

    is_queue = False
    """Whether messages wait in a queue that knows no bounds of its own."""

    is_full = False
    """Whether more waits for the client than the server lets wait; ``drain`` waits for that."""

    is_flooded = False
    """Whether messages were thrown away, because there were more than anybody may send at once."""

    def bound(self, messages: int, size: int) -> None:
        """Have at most so many messages, and bytes of them, wait for the application."""

    def register(self) -> None:
        """Be told from now on when the client does not read."""

    def took(self) -> None:
        """Note that the application took a message."""

    async def drain(self) -> None:
        """Wait until the client has read what was sent, but for a small rest."""

    def mute(self) -> None:
        """Keep nothing that arrives from now on."""

    def hush(self) -> None:
        """Read nothing from now on."""

    def abort(self) -> None:
        """Drop the connection without waiting for the client."""

    def release(self) -> None:
        """Let go of the connection, before the server ends it in its own way."""


_UNKNOWN: Final = Transport()
"""It has nothing of its own, so there is one for all."""


class AsyncioTransport(Transport):
    """A connection over asyncio's own transport, whose server keeps bounds by itself."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def hush(self) -> None:
        """Read nothing from now on: the server would go on to parse what it throws away."""
        self._transport.pause_reading()

    def abort(self) -> None:
        """Drop the connection: closing would wait for the client to read the rest."""
        self._transport.abort()


class TwistedTransport(Transport):
    """A connection of Daphne. Twisted pauses and resumes it as the producer of what is sent."""

    def __init__(self, producer_of: Any, connection: Any) -> None:
        self._producer_of = producer_of
        self._connection = connection
        self._writable: asyncio.Event | None = None
        self._is_registered = False

    def register(self) -> None:
        """Be told from now on when the client does not read."""
        if not self._is_gone:
            self._producer_of.registerProducer(self, True)
            self._is_registered = True

    def hush(self) -> None:
        """Read nothing from now on."""
        self._connection.pauseProducing()

    async def drain(self) -> None:
        """Wait while more than Twisted's buffer is unread."""
        if self._writable is not None:
            await self._writable.wait()

    def abort(self) -> None:
        """Drop the connection."""
        self.release()
        self._connection.abortConnection()

    def release(self) -> None:
        """Be told no more, and hold up nobody."""
        self._resume_sending()
        if self._is_registered:
            self._is_registered = False
            if not self._is_gone:
                self._producer_of.unregisterProducer()

    @property
    def _is_gone(self) -> bool:
        """Whether Twisted has taken its channel from a request, as it does when the client has left."""
        return getattr(self._producer_of, "channel", self) is None

    def pauseProducing(self) -> None:  # noqa: N802 (called so by Twisted)
        """Hold up whoever sends."""
        self.is_full = True
        self._writable = self._writable or asyncio.Event()

    def resumeProducing(self) -> None:  # noqa: N802 (called so by Twisted)
        """Hold up nobody."""
        self._resume_sending()

    def stopProducing(self) -> None:  # noqa: N802 (called so by Twisted)
        """Hold up nobody, as the connection is gone."""
        self._is_registered = False
        self._resume_sending()

    def _resume_sending(self) -> None:
        waited_for, self._writable = self._writable, None
        self.is_full = False
        if waited_for is not None:
            waited_for.set()


class DaphneSocket(TwistedTransport):
    """A WebSocket of Daphne, which would queue whatever its client sends."""

    is_queue = True

    def __init__(self, protocol: Any) -> None:
        super().__init__(protocol.transport, protocol.transport)
        self._protocol = protocol
        self._queue: asyncio.Queue[Event] = protocol.application_queue
        self._messages = 0
        self._size = 0
        self._waiting = 0
        self._is_paused = False

    def bound(self, messages: int, size: int) -> None:
        """Stand before the queue of the application, and before what is sent."""
        self._messages, self._size = messages, size
        self._protocol.application_queue = self
        self._producer_of.unregisterProducer()  # that of the HTTP request the socket began as
        self.register()

    def put_nowait(self, event: Event) -> None:
        """Queue an event; read no further while too much waits."""
        if event["type"] == "websocket.receive":
            if self._queue.qsize() >= self._messages:
                self.is_flooded = True
                return
            self._waiting += len(event.get("text") or event.get("bytes") or "")
            if self._waiting >= self._size and not self._is_paused:
                self._is_paused = True
                self._connection.pauseProducing()
        self._queue.put_nowait(event)

    def took(self) -> None:
        """Read on once nothing waits any more."""
        if self._waiting and self._queue.empty():
            self._waiting = 0
            self._resume()

    def mute(self) -> None:
        """Have Daphne throw away what arrives, but read it, so that the close is answered."""
        self._protocol.muted = True
        while not self._queue.empty():
            self._queue.get_nowait()
        self._resume()

    def _resume(self) -> None:
        if self._is_paused:
            self._is_paused = False
            self._connection.resumeProducing()


def transport_of(send: Send) -> Transport:
    """Return the connection that a ``send`` of a server writes to, though the audit of calls watches it."""
    send = getattr(send, "server_send", send)
    if isinstance(send, partial) and send.args:
        return _daphne(send.args[0])
    protocol = getattr(send, "__self__", None)
    if protocol is None:
        return _UNKNOWN
    transport = getattr(protocol, "transport", None)  # uvloop's has no base class
    return AsyncioTransport(transport) if callable(getattr(transport, "abort", None)) else _UNKNOWN


def _daphne(protocol: Any) -> Transport:
    sockets, requests = sys.modules.get("daphne.ws_protocol"), sys.modules.get("daphne.http_protocol")
    if sockets is not None and isinstance(protocol, sockets.WebSocketProtocol):
        return DaphneSocket(protocol)
    if requests is not None and isinstance(protocol, requests.WebRequest):
        channel = protocol.channel  # None when the client has left before it was answered
        return _UNKNOWN if channel is None else TwistedTransport(protocol, channel.transport)
    return _UNKNOWN
