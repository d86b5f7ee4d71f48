"""Limits of sockets: what goes beyond them is closed, and every slot comes back however a socket ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from typing import Any, Self

import pytest
from asgiref.sync import async_to_sync
from django.test import override_settings

from mcp_guard.asgi import guard
from mcp_guard.asgi.admission import Admission
from mcp_guard.asgi.open_socket import OpenSocket
from mcp_guard.asgi.sweep import sweep
from mcp_guard.audit.sockets import SocketRecord
from mcp_guard.live.slots import sockets
from mcp_guard.policy.decision import Reason
from tests.rows.configurations import MCP_GUARD
from tests.rows.exchanges import bearer, call, handshake, origin
from tests.rows.world import ANY, EXPIRED, PLAIN, SERVER
from tests.transports.doors import scope_of

pytestmark = pytest.mark.django_db

LIMITS = {
    "messages_per_second": 5,
    "idle_seconds": 100,
    "socket_seconds": 1000,
    "send_seconds": 10,
    "first_message_seconds": 3,
    "sockets_per_principal": 2,
}
SOCKETS = {"SOCKETS": 4, "SOCKETS_PER_ADDRESS": 3}
GREETED = handshake(origin(PLAIN), bearer(ANY))
WAITING = handshake(origin(PLAIN))


@pytest.fixture(autouse=True)
def limited(site: None) -> Iterator[None]:
    endpoints = MCP_GUARD["ENDPOINTS"]
    partner = {**endpoints["partner"], "limits": LIMITS}
    assert sockets.all() == {}
    with override_settings(MCP_GUARD={**MCP_GUARD, **SOCKETS, "ENDPOINTS": endpoints | {"partner": partner}}):
        yield
    assert sockets.all() == {}


class Peer:
    """A client in the loop of a test. ``reads`` is False for one that takes nothing from its connection."""

    def __init__(self, application: Any, exchange: Any = GREETED) -> None:
        self.sent: asyncio.Queue[Any] = asyncio.Queue()
        self.got: list[Any] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self._arrived = asyncio.Event()
        self.sent.put_nowait({"type": "websocket.connect"})
        scope = scope_of(exchange, "/guard/partner/mcp")
        self.task = asyncio.create_task(guard(application, "partner")(scope, self.sent.get, self._send))

    async def _send(self, event: Any) -> None:
        await self.reads.wait()
        self.got.append(event)
        self._arrived.set()

    def say(self, text: str) -> None:
        self.sent.put_nowait({"type": "websocket.receive", "text": text, "bytes": None})

    def leave(self) -> None:
        self.sent.put_nowait({"type": "websocket.disconnect", "code": 1001})

    async def until(self, kind: str) -> Any:
        async with asyncio.timeout(5):
            while True:
                for event in self.got:
                    if event["type"] == f"websocket.{kind}":
                        return event
                self._arrived.clear()
                await self._arrived.wait()

    async def code(self) -> int:
        return (await self.until("close"))["code"]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.leave()
        self.reads.set()
        with suppress(asyncio.CancelledError, OSError, LookupError):
            async with asyncio.timeout(5):
                await self.task


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer every message."""
    while (event := await receive())["type"] != "websocket.disconnect":
        if event["type"] == "websocket.connect":
            await send({"type": "websocket.accept"})
        else:
            await send({"type": "websocket.send", "text": event["text"]})


def in_a_loop(test: Any) -> Any:
    """Run a test in an event loop; what it asserts of slots at its end is asserted in there, too."""
    return async_to_sync(test)()


def test_a_flood_is_closed_with_4429_and_the_rest_of_it_does_not_run():
    async def test() -> None:
        async with Peer(echo) as peer:
            for number in range(50):
                peer.say(call(id=number))
            assert await peer.code() == 4429
            ran = [json.loads(event["text"])["id"] for event in peer.got if event["type"] == "websocket.send"]
            assert ran == list(range(10))

    in_a_loop(test)


@pytest.mark.parametrize(("exchange", "count"), [(GREETED, 2), (WAITING, 3)])
def test_as_many_handshakes_as_there_are_slots(exchange: Any, count: int):
    """Who is known by its token has the slots of its principal, who is not yet those of its address."""

    async def test() -> None:
        async with AsyncExitStack() as stack:
            for _ in range(count):
                await (await stack.enter_async_context(Peer(echo, exchange))).until("accept")
            refused = await stack.enter_async_context(Peer(echo, exchange))
            assert await refused.code() == 4429
            assert [event["type"] for event in refused.got] == ["websocket.close"]
        async with Peer(echo, exchange) as again:
            await again.until("accept")

    in_a_loop(test)


def test_a_process_has_a_bound_of_its_own():
    async def test() -> None:
        others = [handshake(origin(PLAIN), peer=f"203.0.113.{number}") for number in range(5)]
        async with AsyncExitStack() as stack:
            for exchange in others[:4]:
                await (await stack.enter_async_context(Peer(echo, exchange))).until("accept")
            assert await (await stack.enter_async_context(Peer(echo, others[4]))).code() == 4429

    in_a_loop(test)


def test_a_principal_that_is_known_by_its_message_only_is_bounded_too():
    async def test() -> None:
        async with AsyncExitStack() as stack:
            peers = [await stack.enter_async_context(Peer(echo, WAITING)) for _ in range(3)]
            for peer in peers:
                peer.say(call(token=ANY))
                await peer.until("send" if peer is not peers[2] else "close")
            assert await peers[2].code() == 4429
            assert "send" not in str(peers[2].got)

    in_a_loop(test)


async def failing(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    await receive()
    raise LookupError("of the application")


async def refusing(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.close", "code": 4000})


@pytest.mark.parametrize("application", [failing, refusing, echo])
@pytest.mark.parametrize("end", ["leaves", "is cancelled", "sends rubbish", "is gone in the handshake"])
def test_every_slot_comes_back(application: Any, end: str):
    async def test() -> None:
        peer = Peer(application)
        if end == "is gone in the handshake":
            peer.reads.clear()
            await asyncio.sleep(0)
        elif application is not refusing:
            await peer.until("accept")
            assert sum(sockets.all().values()) == 3
        match end:
            case "leaves":
                peer.leave()
            case "sends rubbish":
                peer.say("{")
            case _:
                peer.task.cancel()
        with suppress(asyncio.CancelledError, LookupError):
            async with asyncio.timeout(5):
                await peer.task
        assert sockets.all() == {}
        assert len(sweep()) == 0

    in_a_loop(test)


@pytest.mark.parametrize("credential", [(bearer(EXPIRED),), (bearer(SERVER),), (("Host", "other"),)])
def test_a_refused_handshake_takes_no_slot(credential: Any):
    async def test() -> None:
        async with Peer(echo, handshake(origin(PLAIN), *credential)) as peer:
            await peer.code()
            assert sockets.all() == {}

    in_a_loop(test)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the time of the limits of sockets; the test moves it."""
    now = [1000.0]
    monkeypatch.setattr(OpenSocket, "_now", staticmethod(lambda: now[0]))
    return now


@pytest.mark.parametrize(("seconds", "code"), [(99.9, None), (100.0, 4408), (1000.0, 4408)])
def test_a_socket_is_looked_at(clock: list[float], seconds: float, code: int | None):
    async def test() -> None:
        async with Peer(echo) as peer:
            await peer.until("accept")
            [one] = sweep()._open
            one.look(1000.0 + seconds)
            if code is None:
                peer.say(call())
                await peer.until("send")
            else:
                assert await peer.code() == code

    in_a_loop(test)


@pytest.mark.parametrize(("seconds", "code"), [(2.9, None), (3.0, 4401)])
def test_a_socket_without_a_credential_is_looked_at(clock: list[float], seconds: float, code: int | None):
    async def test() -> None:
        async with Peer(echo, WAITING) as peer:
            await peer.until("accept")
            [one] = sweep()._open
            one.look(1000.0 + seconds)
            if code is None:
                peer.say(call(token=ANY))
                await peer.until("send")
            else:
                assert await peer.code() == code
                assert "send" not in str(peer.got)

    in_a_loop(test)


def test_one_that_is_let_in_after_its_end_takes_nothing(clock: list[float], monkeypatch: pytest.MonkeyPatch):
    """Its first message is still being judged when its time is over."""
    judging, is_over = asyncio.Event(), asyncio.Event()
    judge, opened = Admission.judge_message, []
    monkeypatch.setattr(SocketRecord, "open", lambda _, principal: opened.append(principal))

    async def slow(self: Admission, bearer: Any) -> Any:
        judging.set()
        await is_over.wait()
        return await judge(self, bearer)

    monkeypatch.setattr(Admission, "judge_message", slow)

    async def test() -> None:
        async with Peer(echo, WAITING) as peer:
            await peer.until("accept")
            peer.say(call(token=ANY))
            await judging.wait()
            [one] = sweep()._open
            one.look(1003.0)
            assert await peer.code() == 4401
            is_over.set()
            await asyncio.wait([peer.task], timeout=5)
            assert "send" not in str(peer.got)
        assert (sockets.all(), opened) == ({}, [])

    in_a_loop(test)


def test_one_that_ends_while_it_is_accepted_is_not_recorded_as_open(monkeypatch: pytest.MonkeyPatch):
    opened: list[Any] = []
    monkeypatch.setattr(SocketRecord, "open", lambda _, principal: opened.append(principal))

    async def test() -> None:
        peer = Peer(echo)
        peer.reads.clear()
        async with asyncio.timeout(5):
            while not len(sweep()):  # noqa: ASYNC110 (nothing tells of it)
                await asyncio.sleep(0)
        [one] = sweep()._open
        one._drop(Reason.PEER_NOT_READING)
        async with peer:
            peer.reads.set()
            await peer.until("accept")
        assert (sockets.all(), opened) == ({}, [])

    in_a_loop(test)


def test_a_client_that_does_not_read_is_dropped(clock: list[float]):
    async def test() -> None:
        async with Peer(echo) as peer:
            await peer.until("accept")
            peer.reads.clear()
            peer.say(call())
            [one] = sweep()._open
            while not one.pace.sending:  # noqa: ASYNC110 (nothing tells of it)
                await asyncio.sleep(0)
            one.look(1009.9)
            assert sockets.all()
            one.look(1010.0)
            assert sockets.all() == {}
            assert [event["type"] for event in peer.got] == ["websocket.accept"]

    in_a_loop(test)


def test_of_a_client_that_reads_nothing_nothing_is_read():
    async def test() -> None:
        async with Peer(echo) as peer:
            await peer.until("accept")
            peer.reads.clear()
            for number in range(5):
                peer.say(call(id=number))
            await asyncio.sleep(0.05)
            assert peer.sent.qsize() >= 3
            peer.reads.set()
            async with asyncio.timeout(5):
                while len(peer.got) < 6:  # noqa: ASYNC110 (it counts what another task does)
                    await asyncio.sleep(0.01)
            assert peer.sent.qsize() == 0

    in_a_loop(test)


@pytest.mark.parametrize("end", ["close", "leave"])
def test_one_that_waits_to_be_read_again_ends_with_its_socket(end: str):
    """A push of another task is stuck; the reader waits for it, and hears of the end all the same."""
    pushing: list[Any] = []

    async def pushes(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        stuck = asyncio.create_task(send({"type": "websocket.send", "text": "{}"}))
        pushing.append(stuck)
        await asyncio.sleep(0)
        event = await receive()
        assert event["type"] == "websocket.disconnect"
        await asyncio.wait([stuck], timeout=5)

    async def test() -> None:
        async with Peer(pushes) as peer:
            await peer.until("accept")
            peer.reads.clear()
            await asyncio.sleep(0.05)
            [one] = sweep()._open
            if end == "close":
                one.look(one.pace._sending_since + 10)
            else:
                peer.leave()
                peer.reads.set()
            await asyncio.wait([peer.task], timeout=5)
            peer.reads.set()

    in_a_loop(test)
    assert pushing
