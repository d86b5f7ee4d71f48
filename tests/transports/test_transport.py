"""A server's connection: what is done with it, and that it is found whatever wraps ``send``."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from daphne.http_protocol import WebRequest

from mcp_guard import wire
from mcp_guard.asgi import front_door, guard, open_socket
from mcp_guard.asgi.transport import (
    AsyncioTransport,
    DaphneSocket,
    Transport,
    TwistedTransport,
    transport_of,
)
from tests.rows.exchanges import bearer, handshake, origin
from tests.rows.world import ANY, PLAIN
from tests.transports.doors import scope_of

pytestmark = pytest.mark.django_db

SIZE = 100


class Connection:
    """A connection of Twisted, as far as it is used."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.producer: Any = None

    def registerProducer(self, producer: Any, streaming: bool) -> None:  # noqa: FBT001, N802 (Twisted's)
        assert streaming
        assert self.producer is None
        self.producer = producer

    def unregisterProducer(self) -> None:  # noqa: N802 (Twisted's)
        self.producer = None

    def pauseProducing(self) -> None:  # noqa: N802 (Twisted's)
        self.said.append("pause")

    def resumeProducing(self) -> None:  # noqa: N802 (Twisted's)
        self.said.append("resume")

    def abortConnection(self) -> None:  # noqa: N802 (Twisted's)
        self.said.append("abort")


class Protocol:
    """A WebSocket of Daphne, as far as it is used."""

    def __init__(self) -> None:
        self.transport = Connection()
        self.application_queue: Any = asyncio.Queue()
        self.muted = False


def message(size: int) -> dict[str, Any]:
    return {"type": "websocket.receive", "text": "x" * size}


@pytest.fixture
def protocol() -> Protocol:
    return Protocol()


@pytest.fixture
def daphne(protocol: Protocol) -> DaphneSocket:
    bounded = DaphneSocket(protocol)
    bounded.bound(3, SIZE)
    return bounded


def test_no_more_is_read_while_too_much_waits(protocol: Protocol, daphne: DaphneSocket):
    queue, said = daphne._queue, protocol.transport.said
    protocol.application_queue.put_nowait(message(60))
    assert said == []
    protocol.application_queue.put_nowait(message(40))
    assert said == ["pause"]
    queue.get_nowait()
    daphne.took()
    assert said == ["pause"]
    queue.get_nowait()
    daphne.took()

    assert said == ["pause", "resume"]


def test_more_messages_than_anybody_may_send_are_thrown_away_and_known_of(
    protocol: Protocol, daphne: DaphneSocket
):
    for _ in range(5):
        protocol.application_queue.put_nowait(message(1))
    protocol.application_queue.put_nowait({"type": "websocket.disconnect", "code": 1006})

    assert daphne.is_flooded
    assert daphne._queue.qsize() == 4


def test_nothing_is_kept_of_who_is_muted(protocol: Protocol, daphne: DaphneSocket):
    protocol.application_queue.put_nowait(message(SIZE))

    daphne.mute()

    assert (protocol.muted, daphne._queue.qsize(), protocol.transport.said) == (True, 0, ["pause", "resume"])


def test_who_sends_waits_for_who_does_not_read(protocol: Protocol, daphne: DaphneSocket):
    async def test() -> None:
        protocol.transport.producer.pauseProducing()
        sending = asyncio.create_task(daphne.drain())
        await asyncio.sleep(0)
        assert not sending.done()
        protocol.transport.producer.resumeProducing()
        await sending
        protocol.transport.producer.pauseProducing()
        sending = asyncio.create_task(daphne.drain())
        await asyncio.sleep(0)
        daphne.abort()
        await sending
        assert (protocol.transport.said, protocol.transport.producer) == (["abort"], None)

    async_to_sync(test)()


class GoneRequest(WebRequest):
    """A request of Daphne whose client can leave: Twisted takes its channel away then."""

    def __init__(self) -> None:
        self.channel: Any = Connection()
        self.channel.transport = Connection()
        self.producer: Any = None

    def leave(self) -> None:
        if self.producer is not None:
            self.producer.stopProducing()
        self.channel = None


def test_a_client_that_has_left_holds_up_nobody_and_lets_itself_be_let_go():
    async def test() -> None:
        request = GoneRequest()
        transport = transport_of(partial(print, request))
        assert type(transport) is TwistedTransport
        transport.register()
        channel = request.channel
        assert channel.producer is transport
        channel.producer.pauseProducing()
        sending = asyncio.create_task(transport.drain())
        await asyncio.sleep(0)
        assert not sending.done()

        request.leave()

        await sending
        transport.release()
        transport.register()
        await transport.drain()
        assert channel.said == []

    async_to_sync(test)()


def test_a_connection_that_is_lost_without_a_word_is_let_go_too():
    request = GoneRequest()
    transport = transport_of(partial(print, request))
    transport.register()
    request.channel = None

    transport.abort()

    assert type(transport_of(partial(print, request))) is Transport


def test_a_server_of_which_nothing_is_known_is_left_alone():
    async def send(event: Any) -> None: ...

    assert type(transport_of(send)) is Transport
    assert type(transport_of(partial(send, "something"))) is Transport


class Uvicorn:
    """What uvicorn's ``send`` belongs to."""

    def __init__(self) -> None:
        self.transport = self
        self.aborted = False
        self.sent: list[Any] = []

    def abort(self) -> None:
        self.aborted = True

    async def send(self, event: Any) -> None:
        self.sent.append(event)


def test_the_front_door_hands_the_connection_on(site: None, monkeypatch: Any):
    """The application in between wraps ``send``, as Channels' sessions do."""
    found: list[Any] = []
    scopes: list[Any] = []
    monkeypatch.setattr(
        open_socket, "transport_of", lambda send: found.append(transport_of(send)) or Transport()
    )

    async def application(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await send({"type": "websocket.close"})

    guarded = guard(application, "partner")

    async def wrapping(scope: Any, receive: Any, send: Any) -> None:
        async def wrapped(event: Any) -> None:
            await send(event)

        await guarded(scope, receive, wrapped)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    server = Uvicorn()
    scope = scope_of(handshake(origin(PLAIN), bearer(ANY)), "/guard/partner/mcp")
    async_to_sync(front_door(wrapping))(scope, receive, server.send)

    assert isinstance(found[0], AsyncioTransport)
    found[0].abort()
    assert server.aborted
    assert wire.SERVER_SEND not in scopes[0]
