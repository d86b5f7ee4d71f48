"""An application behind the gate has an ordinary socket: what it says of it is done, within the rules."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from mcp_guard.asgi import guard
from mcp_guard.asgi.sweep import sweep
from mcp_guard.audit import sockets as audited
from mcp_guard.live.connections import connections
from mcp_guard.live.slots import sockets
from tests.rows.exchanges import bearer, call, handshake, origin
from tests.rows.world import ANY, PLAIN
from tests.transports.doors import scope_of
from tests.transports.sockets import Conversation, converse

pytestmark = pytest.mark.django_db

SOCKET = handshake(origin(PLAIN), bearer(ANY), messages=(call(), call()))
WAITING = handshake(origin(PLAIN), messages=(call(token=ANY), call()))


def play(application: Any, socket: Any = SOCKET, endpoint: str = "partner") -> Conversation:
    return async_to_sync(converse)(guard(application, endpoint), socket, "/mcp")


def saying(*events: dict[str, Any]) -> Any:
    """Return an application that accepts, takes one message, and then says these things."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        assert (await receive())["type"] == "websocket.receive"
        for event in events:
            await send(event)

    return application


@pytest.mark.parametrize("socket", [SOCKET, WAITING], ids=["token in the handshake", "token in the message"])
def test_it_closes_with_its_own_code(socket: Any, noted: Any):
    seen = play(saying({"type": "websocket.close", "code": 4000}), socket)

    assert (seen.accepted, seen.close_codes, noted()) == (True, [4000], [])


def test_it_closes_without_a_code(noted: Any):
    seen = play(saying({"type": "websocket.close"}))

    assert seen.close_codes == [1000]


def test_one_that_returns_is_closed_for_it(noted: Any):
    seen = play(saying())

    assert seen.close_codes == [1000]


def test_what_it_says_behind_its_close_is_dropped(noted: Any):
    seen = play(saying({"type": "websocket.close"}, {"type": "websocket.send", "text": "{}"}))

    assert (seen.texts, seen.close_codes) == ([], [1000])


def test_bytes_of_it_end_the_socket(noted: Any):
    seen = play(saying({"type": "websocket.send", "bytes": b"{}"}, {"type": "websocket.send", "text": "{}"}))

    assert (seen.texts, seen.close_codes, noted()) == ([], [4415], ["message_not_text"])


def test_it_may_refuse_a_handshake_that_the_gate_let_in(noted: Any):
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.close", "code": 4000})

    seen = play(application)

    assert (seen.accepted, seen.close_codes) == (False, [4000])


def test_one_that_fails_is_closed_for_it(noted: Any):
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        raise RuntimeError("the application fails")

    sent: list[int] = []

    async def caught(scope: Any, receive: Any, send: Any) -> None:
        async def noting(event: Any) -> None:
            if event["type"] == "websocket.close":
                sent.append(event["code"])
            await send(event)

        with pytest.raises(RuntimeError):
            await guard(application, "partner")(scope, receive, noting)

    async_to_sync(converse)(caught, SOCKET, "/mcp")

    assert sent == [1000]


def test_it_is_started_only_for_somebody(noted: Any):
    started: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        started.append(scope["mcp_guard"].principal.client)

    play(application, handshake(origin(PLAIN), messages=(call(),)))
    assert started == []

    play(application, WAITING)
    assert started == ["acme"]


def test_one_that_accepts_a_client_which_has_left_leaves_nothing_open(noted: Any):
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        assert (await receive())["type"] == "websocket.disconnect"
        await send({"type": "websocket.accept"})

    async def leave() -> Any:
        events = [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1001}]
        sent: list[Any] = []

        async def receive() -> Any:
            return events.pop(0)

        async def send(event: Any) -> None:
            sent.append(event)

        await guard(application, "partner")(scope_of(SOCKET, "/mcp"), receive, send)
        return sent, connections.count(), len(sweep()), sockets.all()

    assert async_to_sync(leave)() == ([], 0, 0, {})


def test_one_that_is_closed_for_a_reason_is_recorded_with_it(noted: Any, monkeypatch: Any):
    """Servers tell whoever still reads that the client has left, while the close goes out."""
    ends: list[Any] = []
    monkeypatch.setattr(audited.recorder, "put_late", lambda _category, make: ends.append(make))

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        reading = asyncio.create_task(receive())
        await asyncio.sleep(0)
        await send({"type": "websocket.send", "bytes": b"{}"})
        await reading

    async def close() -> None:
        events: asyncio.Queue[Any] = asyncio.Queue()
        events.put_nowait({"type": "websocket.connect"})

        async def send(event: Any) -> None:
            if event["type"] == "websocket.close":
                events.put_nowait({"type": "websocket.disconnect", "code": 1006})
                for _ in range(10):
                    await asyncio.sleep(0)

        await guard(application, "partner")(scope_of(SOCKET, "/mcp"), events.get, send)

    async_to_sync(close)()

    _opened, closed = [make() for make in ends]
    assert (closed.outcome, closed.details["code"]) == ("message_not_text", 4415)


def test_lifespan_passes(noted: Any):
    scopes: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope["type"])

    async_to_sync(guard(application, "partner"))({"type": "lifespan"}, None, None)

    assert scopes == ["lifespan"]
