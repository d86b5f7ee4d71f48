"""Limits of calls over HTTP: beyond them nothing runs, and every slot comes back however a call ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from copy import deepcopy
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.http import StreamingHttpResponse
from django.test import override_settings

from mcp_guard.asgi import answer as answers
from mcp_guard.asgi import front_door, guard
from mcp_guard.asgi.sweep import sweep
from mcp_guard.audit.events import recorder
from mcp_guard.http.running import Run
from mcp_guard.live.connections import connections
from mcp_guard.live.slots import calls, streams
from tests.rows.configurations import MCP_GUARD
from tests.rows.exchanges import bearer, get, post, request
from tests.rows.world import ADAS, SERVER
from tests.transports.doors import DOORS, Door, scope_of
from tests.transports.site import probe

pytestmark = pytest.mark.django_db

LIMITS = {"calls_per_principal": 2, "streams_per_principal": 1, "call_seconds": 20, "send_seconds": 10}
CALL = post(bearer(SERVER))
STREAM = get(bearer(SERVER), ("Accept", "text/event-stream"))
CANCELLED = post(
    bearer(SERVER), body='{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}'
)
LISTENING = post(bearer(SERVER), body=request("ping"))


@pytest.fixture(autouse=True)
def limited(site: None) -> Iterator[None]:
    endpoints = MCP_GUARD["ENDPOINTS"]
    partner = {**endpoints["partner"], "limits": LIMITS}
    assert (calls.all(), streams.all()) == ({}, {})
    with override_settings(MCP_GUARD={**MCP_GUARD, "ENDPOINTS": endpoints | {"partner": partner}}):
        yield
    assert (calls.all(), streams.all()) == ({}, {})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let calls begin at 1000 seconds."""
    monkeypatch.setattr(answers, "_now", lambda: 1000.0)


@pytest.fixture
def listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a method that needs no grant be the one whose answer is a stream."""
    monkeypatch.setattr("mcp_guard.live.calls.LISTEN", "ping")


class App:
    """An application that answers when it is told to, in the way that it is told."""

    def __init__(self, way: str = "answer") -> None:
        self.way = way
        self.ran = 0
        self.told = asyncio.Event()
        self.ended: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.ran += 1
        if self.way == "stream":
            headers = [(b"content-type", b"text/event-stream")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"data: 1\r\n\r\n", "more_body": True})
        waiting = asyncio.create_task(self._gone(receive))
        try:
            await asyncio.wait(
                [waiting, asyncio.create_task(self.told.wait())], return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            self.ended.append("told of the end" if waiting.done() else "by itself")
            waiting.cancel()
        if self.way == "fail":
            raise LookupError
        if self.way == "answer":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"{}"})

    async def _gone(self, receive: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass


class Exchange:
    """A request that runs in the loop of a test."""

    def __init__(self, app: Any, of: Any) -> None:
        self.transport = self  # where uvicorn has its connection
        self.is_dropped = False
        self.got: list[Any] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self.leaves = asyncio.Event()
        self._pending = [{"type": "http.request", "body": of.body, "more_body": False}]
        scope = scope_of(of, "/guard/partner/mcp")
        self.task = asyncio.create_task(guard(app, "partner")(scope, self._receive, self._send))

    async def _receive(self) -> Any:
        if self._pending:
            return self._pending.pop()
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def _send(self, event: Any) -> None:
        await self.reads.wait()
        self.got.append(event)

    def abort(self) -> None:
        self.is_dropped = True

    @property
    def status(self) -> int | None:
        return self.got[0]["status"] if self.got else None

    @property
    def body(self) -> bytes:
        return b"".join(event.get("body", b"") for event in self.got[1:])

    async def end(self) -> int | None:
        with suppress(LookupError, asyncio.CancelledError):
            async with asyncio.timeout(5):
                await self.task
        return self.status


@asynccontextmanager
async def running(app: App, *requests: Any) -> AsyncIterator[list[Exchange]]:
    """Run requests until they wait in the application."""
    exchanges = [Exchange(app, one) for one in requests]
    async with asyncio.timeout(5):
        while app.ran < len(requests):  # noqa: ASYNC110 (it counts what other tasks do)
            await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    yield exchanges
    for exchange in exchanges:
        exchange.reads.set()
        exchange.leaves.set()
        await exchange.end()


def in_a_loop(test: Any) -> None:
    async_to_sync(test)()


def test_as_many_calls_as_there_are_slots():
    async def test() -> None:
        app = App()
        async with running(app, CALL, CALL) as (first, _):
            refused = Exchange(app, CALL)
            assert await refused.end() == 429
            headers = dict(refused.got[0]["headers"])
            assert headers[b"retry-after"] == b"1"
            assert json.loads(refused.body)["id"] == 1
            assert app.ran == 2
            of_another = Exchange(app, post(bearer(ADAS)))
            app.told.set()
            assert [await first.end(), await of_another.end()] == [200, 200]

    in_a_loop(test)


def test_what_asks_for_nothing_gets_through_when_all_slots_are_taken():
    async def test() -> None:
        app = App()
        async with running(app, CALL, CALL, CANCELLED, get(bearer(SERVER), method="DELETE")):
            assert [*calls.all().values()] == [2]

    in_a_loop(test)


@pytest.mark.parametrize("stream", [STREAM, LISTENING])
def test_streams_are_counted_for_themselves(listens: None, stream: Any):
    async def test() -> None:
        app = App("stream")
        async with running(app, CALL, CALL, stream):
            refused = Exchange(app, stream)
            assert await refused.end() == 429
            assert (app.ran, [*streams.all().values()]) == (3, [1])

    in_a_loop(test)


@pytest.mark.parametrize("way", ["answer", "fail", "stream"])
@pytest.mark.parametrize("end", ["is told", "client leaves", "is cancelled"])
@pytest.mark.parametrize("of", [CALL, STREAM], ids=["call", "stream"])
def test_every_slot_comes_back(way: str, end: str, of: Any):
    async def test() -> None:
        app = App(way)
        async with running(app, of) as (exchange,):
            assert sum([*calls.all().values(), *streams.all().values()]) == 1
            match end:
                case "is told":
                    app.told.set()
                case "client leaves":
                    exchange.leaves.set()
                case _:
                    exchange.task.cancel()
            await exchange.end()
        assert (calls.all(), streams.all(), len(sweep())) == ({}, {}, 0)

    in_a_loop(test)


def test_a_call_that_takes_too_long_is_cut_off_with_an_error_of_its_own(clock: None):
    async def test() -> None:
        app = App()
        async with running(app, CALL) as (exchange,):
            [one] = sweep()._open
            one.look(1019.9)
            await asyncio.sleep(0.01)
            assert exchange.got == []
            one.look(1020.0)
            assert await exchange.end() == 504
            assert app.ended == ["told of the end"]
            answer = json.loads(exchange.body)
            assert (answer["id"], answer["error"]["code"]) == (1, -32603)
            assert answer["error"]["message"] == "The call took too long"
            assert dict(exchange.got[0]["headers"])[b"vary"] == b"Origin"

    in_a_loop(test)


def test_one_that_has_been_answered_is_not_cut_off(clock: None):
    """The connection may serve another request by then."""

    async def test() -> None:
        app = App()
        async with running(app, CALL) as (exchange,):
            [one] = sweep()._open
            app.told.set()
            assert await exchange.end() == 200
            answered = [*exchange.got]
            one.look(1020.0)
            await asyncio.sleep(0.01)
            assert (exchange.got, exchange.is_dropped) == (answered, False)

    in_a_loop(test)


def test_one_that_streams_gets_its_error_as_an_event(clock: None):
    async def test() -> None:
        app = App("stream")
        async with running(app, CALL) as (exchange,):
            [one] = sweep()._open
            one.look(1020.0)
            assert await exchange.end() == 200
            last = exchange.got[-1]
            assert last["more_body"] is False
            data = last["body"].decode().partition("data: ")[2]
            assert json.loads(data)["id"] == 1

    in_a_loop(test)


@pytest.mark.parametrize("of", [STREAM, LISTENING])
def test_a_stream_has_no_such_end(clock: None, listens: None, of: Any):
    async def test() -> None:
        async with running(App("stream"), of) as (exchange,):
            [one] = sweep()._open
            one.look(1_000_000.0)
            await asyncio.sleep(0.01)
            assert not exchange.task.done()

    in_a_loop(test)


@pytest.fixture
def recorded() -> Iterator[None]:
    """Record the calls of the endpoint."""
    changed = deepcopy(settings.MCP_GUARD)
    changed["ENDPOINTS"]["partner"]["audit_calls"] = "calls"
    with override_settings(MCP_GUARD=changed):
        yield
    recorder.forget()


def test_a_client_that_does_not_read_is_dropped_where_calls_are_recorded_too(clock: None, recorded: None):
    test_a_client_that_does_not_read_is_dropped(None)
    assert len(recorder) == 1


def test_a_client_that_does_not_read_is_dropped(clock: None):
    async def test() -> None:
        app = App()
        async with running(app, CALL) as (exchange,):
            exchange.reads.clear()
            app.told.set()
            await asyncio.sleep(0.01)
            [one] = sweep()._open
            one.look(1009.9)
            assert calls.all()
            assert not exchange.is_dropped
            one.look(1010.0)
            assert exchange.is_dropped
            exchange.reads.set()
            await exchange.end()
            assert calls.all() == {}

    in_a_loop(test)


@pytest.mark.parametrize("what", ["lists_of", "_keep_readable"])
def test_a_call_whose_answer_cannot_begin_gives_its_slot_back(what: str, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: Any) -> None:
        assert calls.all()
        raise LookupError(what)

    monkeypatch.setitem(guard.__globals__, what, fail)  # the module has the name of the function

    async def test() -> None:
        app = App()
        with pytest.raises(LookupError, match=what):
            await Exchange(app, CALL).task
        assert (app.ran, calls.all(), len(sweep())) == (0, {}, 0)

    in_a_loop(test)


def test_what_an_answer_lets_go_of_does_not_hang_on_the_server(monkeypatch: pytest.MonkeyPatch):
    def fail(_: Any) -> None:
        raise LookupError

    monkeypatch.setattr("mcp_guard.asgi.transport.Transport.release", fail)

    async def test() -> None:
        exchange = Exchange(App("stream"), STREAM)
        while connections.count() == 0:  # noqa: ASYNC110 (it counts what another task opens)
            await asyncio.sleep(0)
        exchange.leaves.set()
        with pytest.raises(LookupError):
            await exchange.task
        assert (connections.count(), streams.all(), len(sweep())) == (0, {}, 0)

    in_a_loop(test)


@pytest.mark.parametrize(
    ("door", "what"),
    [
        (door, what)
        for door in DOORS
        if door.mount in ("view", "async")
        for what in ("_let_in", "_strip", "calls.begin")
        if what == "_let_in" or "front door" not in door.name  # which has done the rest
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_call_that_fails_on_its_way_to_a_view_gives_its_slot_back(
    door: Door, what: str, monkeypatch: pytest.MonkeyPatch
):
    taken: list[Any] = []

    def fail(*_: Any) -> None:
        taken.extend(calls.all())
        raise LookupError(what)

    monkeypatch.setattr(f"mcp_guard.http.middleware.{what}", fail)
    probe.RUNS.clear()

    with suppress(LookupError):
        assert door.play(CALL, door.path("partner", CALL)).status == 500

    assert (len(taken), calls.all(), probe.RUNS) == (1, {}, [])


@pytest.mark.parametrize("way", ["stream", "torn"])
@pytest.mark.parametrize(
    "door",
    [door for door in DOORS if door.mount in ("async", "guard") or "WSGI" in door.name],
    ids=lambda door: door.name,
)
def test_a_stream_gives_its_slot_back_however_it_ends(door: Door, way: str):
    for asked in (get(bearer(SERVER), target=f"/exit/{way}"), post(bearer(SERVER), target=f"/exit/{way}")):
        assert door.play(asked, door.path("partner", asked)).status == 200
        assert (calls.all(), streams.all()) == ({}, {})


def test_a_stream_that_is_forgotten_touches_no_slot_where_the_collector_struck():
    left: list[str] = []
    call: Any = SimpleNamespace(leave=lambda: left.append("left"))
    response = StreamingHttpResponse(iter([b"first", b"second"]))
    parts = iter(Run(call).until_closed(response, None))

    assert next(parts) == b"first"
    response._iterator.close()  # as when it is collected
    assert left == []
    for _ in range(2):
        response.close()
        assert left == ["left"]


@pytest.mark.parametrize(
    "door", [door for door in DOORS if door.mount != "guard"], ids=lambda door: door.name
)
def test_a_view_has_the_same_limit(door: Door):
    answered = door.play(CALL, door.path("partner", CALL))
    assert (answered.status, calls.all()) == (200, {})

    principal = _party_of(answered, door)
    assert all(calls.take(principal, 2) for _ in range(2))
    try:
        assert door.play(CALL, door.path("partner", CALL)).status == 429
        assert door.play(CANCELLED, door.path("partner", CANCELLED)).status == 200
    finally:
        for _ in range(2):
            calls.release(principal)


def _party_of(answered: Any, door: Door) -> Any:
    """Return the key of the slots that the good call took, as seen while it ran."""
    seen: list[Any] = []
    take = calls.take

    def noted(key: Any, limit: int) -> bool:
        seen.append(key)
        return take(key, limit)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calls, "take", noted)
        door.play(CALL, door.path("partner", CALL))
    return seen[0]


class Within:
    """A request whose path Django guards too: the front door lets it in, and another guard serves it."""

    def __init__(self, app: Any, of: Any) -> None:
        self.sent: list[Any] = []
        self._pending = [{"type": "http.request", "body": of.body, "more_body": False}]
        scope = scope_of(of, "/view/partner/mcp")
        self.task = asyncio.create_task(front_door(guard(app, "partner"))(scope, self._receive, self._send))

    async def _receive(self) -> Any:
        if self._pending:
            return self._pending.pop()
        return await asyncio.Future()  # it stays

    async def _send(self, event: Any) -> None:
        self.sent.append(event)


def test_a_call_through_the_front_door_and_a_guard_has_its_one_slot():
    async def test() -> None:
        app = App()
        first, second = Within(app, CALL), Within(app, CALL)
        while app.ran < 2:  # noqa: ASYNC110 (it counts what other tasks run)
            await asyncio.sleep(0)
        assert list(calls.all().values()) == [2]
        third = Within(app, CALL)
        await third.task
        assert (app.ran, third.sent[0]["status"]) == (2, 429)
        app.told.set()
        await asyncio.gather(first.task, second.task)
        assert (first.sent[0]["status"], calls.all()) == (200, {})

    in_a_loop(test)


def test_a_get_through_the_front_door_and_a_guard_brings_no_body():
    seen: list[Any] = []

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        seen.append(await receive())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def test() -> None:
        await Within(app, replace(STREAM, body=b'{"not": "judged"}')).task

    in_a_loop(test)
    assert seen == [{"type": "http.request", "body": b"", "more_body": False}]


@pytest.mark.parametrize("way", ["through the front door", "through two guards"])
def test_a_call_through_two_doors_is_recorded_once(way: str, recorded: None):
    async def test() -> None:
        app = App()
        app.told.set()
        door = app if way == "through the front door" else guard(app, "partner")
        await Within(door, CALL).task
        assert app.ran == 1

    in_a_loop(test)
    assert len(recorder) == 1
