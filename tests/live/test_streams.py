"""Open streams and sockets: what changes ends them, whenever it comes, and nothing passes behind the end."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from mcp_guard import changes, gate, testing
from mcp_guard.asgi import guard
from mcp_guard.asgi.websocket import GuardedSocket
from mcp_guard.audit.counts import decisions
from mcp_guard.live import sessions
from mcp_guard.live.connections import connections
from mcp_guard.live.holder import holder
from mcp_guard.live.slots import sockets
from mcp_guard.policy.credential import DEAD_SESSION, LiveSession
from tests.live.connection import turn
from tests.live.exchange import SECONDS, Exchange, running
from tests.live.heads import endpoint, http_scope, socket_scope

pytestmark = pytest.mark.usefixtures("live_policy")
LISTED = "https://partner.example"


@pytest.fixture
def client(live_policy):
    client = testing.add_client()
    testing.list_origin(LISTED, client, "notes", "tools", cookies=True)
    return client


@pytest.fixture
def issued(client) -> changes.IssuedSecret:
    return testing.issue_token(client, "tools", "notes", kind="browser")


@pytest.fixture
def credentials(issued) -> dict[str, str]:
    return {**testing.bearer(issued), "origin": LISTED}


async def revoke(issued: changes.IssuedSecret) -> None:
    """Revoke a token and wait until this process knows; what is open learns of it in its own time."""
    await asyncio.to_thread(changes.revoke_token, testing.ACTOR, issued.token)
    await holder.arefresh()


class Streaming:
    """An application that streams what the test puts in, until it is told that its client has gone."""

    content_type = (b"content-type", b"text/event-stream")

    def __init__(self) -> None:
        self.parts: asyncio.Queue[bytes] = asyncio.Queue()
        self.told: asyncio.Event = asyncio.Event()
        self.may_start = asyncio.Event()
        self.may_start.set()
        self.called = asyncio.Event()

    async def __call__(self, scope, receive, send) -> None:
        self.called.set()
        await self.may_start.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [self.content_type]})
        sending = asyncio.create_task(self._send(send))
        while (await receive())["type"] != "http.disconnect":
            pass
        self.told.set()
        sending.cancel()

    async def _send(self, send) -> None:
        while True:
            part = await self.parts.get()
            await send({"type": "http.response.body", "body": part, "more_body": True})


@pytest.fixture
def app() -> Streaming:
    return Streaming()


@pytest.fixture
async def stream(app, credentials) -> AsyncIterator[Exchange]:
    async with running(guard(app, endpoint="tools"), http_scope(**credentials)) as exchange:
        app.parts.put_nowait(b"data: 1\n\n")
        await exchange.until("http.response.body", body=b"data: 1\n\n")
        yield exchange


async def test_a_stream_ends_for_both_sides_when_its_token_is_revoked(app, stream, issued):
    await revoke(issued)

    await stream.until("http.response.body", more_body=False)
    await asyncio.wait_for(app.told.wait(), SECONDS)
    await turn()
    assert connections.count() == 0


@pytest.mark.parametrize(
    "content_type",
    [(b"Content-Type", b"text/event-stream"), (b"content-type", b"Text/Event-Stream; charset=utf-8")],
)
async def test_a_stream_is_one_however_its_type_is_written(app, credentials, issued, content_type):
    """Django writes the names of headers as people do."""
    app.content_type = content_type
    async with running(guard(app, endpoint="tools"), http_scope(**credentials)) as exchange:
        await exchange.until("http.response.start")
        await revoke(issued)

        await exchange.until("http.response.body", more_body=False)


async def test_the_headers_of_an_answer_may_be_any_iterable(credentials):
    said = [(b"x-first", b"1"), (b"content-type", b"text/event-stream"), (b"x-last", b"1")]

    async def app(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": iter(said)})
        assert connections.count() == 1
        await send({"type": "http.response.body", "body": b""})

    async with running(guard(app, endpoint="tools"), http_scope(**credentials)) as exchange:
        await exchange.until("http.response.body")
    assert exchange.sent[0]["headers"][: len(said)] == said


async def test_a_stream_goes_on_when_something_else_changes(app, stream, client):
    other = await asyncio.to_thread(testing.issue_token, client, "tools")
    await revoke(other)

    app.parts.put_nowait(b"data: 2\n\n")

    await stream.until("http.response.body", body=b"data: 2\n\n")
    assert connections.count() == 1


async def test_a_stream_counts_as_one_request_however_often_it_is_judged(app, credentials, client):
    before = Counter(decisions.all())
    async with running(guard(app, endpoint="tools"), http_scope(**credentials)) as exchange:
        for number in range(3):
            other = await asyncio.to_thread(testing.issue_token, client, "tools")
            await revoke(other)
            app.parts.put_nowait(b"data: %d\n\n" % number)
            await exchange.until("http.response.body", body=b"data: %d\n\n" % number)

    assert Counter(decisions.all()) - before == {("tools", "request", "admitted"): 1}


async def test_a_stream_ends_when_its_token_has_expired(app, stream, monkeypatch):
    later = timedelta(days=400).total_seconds()
    monkeypatch.setattr(holder, "_clock_offset", holder._clock_offset + later)

    connections.recheck_all()

    await stream.until("http.response.body", more_body=False)


async def test_an_event_that_no_judgement_covers_is_not_sent(app, stream, issued, monkeypatch):
    """Nothing tells the stream of the change but the event itself."""
    monkeypatch.setattr(holder, "_after_swap", [])
    await revoke(issued)

    app.parts.put_nowait(b"data: secret\n\n")

    await stream.until("http.response.body", more_body=False)
    assert b"secret" not in b"".join(event.get("body", b"") for event in stream.sent)


async def test_a_refusal_of_a_stream_is_noted_once(app, stream, issued, caplog):
    """Though the change and the next event both ask for a judgement."""
    await revoke(issued)
    app.parts.put_nowait(b"data: 2\n\n")

    await stream.until("http.response.body", more_body=False)
    await turn()

    assert [record.name for record in caplog.records].count("mcp_guard.refusals") == 1


async def test_an_event_under_policy_that_is_too_old_is_not_sent(app, stream, monkeypatch):
    blind(monkeypatch)

    app.parts.put_nowait(b"data: secret\n\n")

    await stream.until("http.response.body", more_body=False)
    assert b"secret" not in b"".join(event.get("body", b"") for event in stream.sent)


def blind(monkeypatch) -> None:
    """Have the database fail, and the last read be eleven seconds ago."""

    async def fail() -> None:
        return

    holder.stop()
    monkeypatch.setattr(holder, "arefresh", fail)
    monkeypatch.setattr(holder, "_read_at", time.monotonic() - 11)


async def test_a_token_revoked_before_the_stream_began_ends_it_behind_its_head(app, issued, credentials):
    app.may_start.clear()
    async with running(guard(app, endpoint="tools"), http_scope(**credentials)) as exchange:
        await asyncio.wait_for(app.called.wait(), SECONDS)
        await revoke(issued)
        app.may_start.set()

        await exchange.until("http.response.body", more_body=False)

    assert exchange.kinds[:2] == ["start", "body"]


class Serving:
    """An application on a WebSocket that notes the messages it gets."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.send = None

    async def __call__(self, scope, receive, send) -> None:
        self.send = send
        while (event := await receive())["type"] != "websocket.disconnect":
            if event["type"] == "websocket.connect":
                await send({"type": "websocket.accept"})
            else:
                self.got.append(event["text"])
                await send({"type": "websocket.send", "text": event["text"]})


@pytest.fixture
def serving() -> Serving:
    return Serving()


@pytest.fixture
async def socket(serving, credentials) -> AsyncIterator[Exchange]:
    async with running(guard(serving, endpoint="tools"), socket_scope(**credentials)) as exchange:
        exchange.put({"type": "websocket.connect"})
        await exchange.until("websocket.accept")
        exchange.say("first")
        await exchange.until("websocket.send")
        yield exchange


@pytest.mark.parametrize("event", ["revoke", "disable", "unlist", "expire"])
async def test_an_idle_socket_is_closed(socket, issued, client, monkeypatch, event):
    match event:
        case "revoke":
            await asyncio.to_thread(changes.revoke_token, testing.ACTOR, issued.token)
        case "disable":
            await asyncio.to_thread(changes.set_client, testing.ACTOR, client, active=False)
        case "unlist":
            row = await client.origins.aget()
            await asyncio.to_thread(changes.unlist_origin, testing.ACTOR, row)
        case "expire":
            moment = timezone.now() + timedelta(seconds=0.2)
            await asyncio.to_thread(changes.set_token, testing.ACTOR, issued.token, expires_at=moment)
    await holder.arefresh()

    await socket.until("websocket.close", code=4403 if event in ("disable", "unlist") else 4401)
    assert connections.count() == 0


async def test_messages_behind_a_close_never_reach_the_application(socket, serving, issued, monkeypatch):
    """They wait in the server already when the token is revoked."""
    monkeypatch.setattr(holder, "_after_swap", [])
    await revoke(issued)

    for number in range(20):
        socket.say(f"late {number}")

    await socket.until("websocket.close", code=4401)
    await turn()
    assert len(serving.got) == 1


async def test_a_push_that_no_judgement_covers_is_not_sent(socket, serving, issued, monkeypatch):
    monkeypatch.setattr(holder, "_after_swap", [])
    await revoke(issued)

    await serving.send({"type": "websocket.send", "text": '"secret"'})

    assert socket.sent[-1] == {"type": "websocket.close", "code": 4401}
    assert '"secret"' not in [event.get("text") for event in socket.sent]


async def test_a_message_under_policy_that_is_too_old_closes_the_socket(socket, serving, monkeypatch):
    blind(monkeypatch)

    socket.say("late")

    await socket.until("websocket.close", code=4503)
    assert len(serving.got) == 1


def opened(credentials) -> tuple[GuardedSocket, Exchange]:
    exchange = Exchange()
    exchange.put({"type": "websocket.connect"})
    scope = socket_scope(**credentials)
    socket = GuardedSocket(scope, exchange.receive, exchange.send, endpoint=endpoint("notes"))
    return socket, exchange


async def test_a_socket_whose_connection_cannot_be_bounded_leaves_nothing_behind(credentials, monkeypatch):
    def fail(*_):
        raise LookupError("of the server")

    monkeypatch.setattr("mcp_guard.asgi.transport.Transport.bound", fail)
    socket, exchange = opened(credentials)
    exchange.put({"type": "websocket.connect"})
    with pytest.raises(LookupError):
        await socket.open()
    assert (sockets.all(), connections.count(), socket.is_closed) == ({}, 0, True)


async def test_a_token_revoked_between_handshake_and_accept_closes_the_idle_socket(issued, credentials):
    socket, exchange = opened(credentials)
    assert await socket.judge_handshake()
    await revoke(issued)

    await socket.accept()

    await exchange.until("websocket.close", code=4401)
    assert exchange.kinds == ["accept", "close"]


async def test_a_token_revoked_while_its_first_message_is_judged_closes_the_idle_socket(issued, monkeypatch):
    socket, exchange = opened({"origin": LISTED})
    assert await socket.open()
    asettle = gate.asettle

    async def settle_and_revoke(*arguments, **options):
        settled = await asettle(*arguments, **options)
        monkeypatch.setattr(gate, "asettle", asettle)
        await revoke(issued)
        await turn()
        return settled

    monkeypatch.setattr(gate, "asettle", settle_and_revoke)
    exchange.say("first", auth={"bearer": issued.text})

    await socket.receive()

    await exchange.until("websocket.close", code=4401)


async def test_a_session_that_ends_while_it_is_read_again_closes_the_socket(client, monkeypatch):
    """A doubt that comes during a judgement is not answered by that judgement."""
    user = await get_user_model().objects.acreate(username="somebody")
    socket, exchange = opened({"origin": LISTED, "cookie": "sessionid=abcdefgh"})
    reads: list[str] = []

    async def aread(key):
        reads.append(key)
        if len(reads) == 2:
            socket.doubt()
        return LiveSession(key, user.pk) if len(reads) < 3 else DEAD_SESSION

    monkeypatch.setattr(sessions, "aread", aread)
    await holder.arefresh()
    holder.stop()  # the watch would doubt again
    assert await socket.open()
    assert len(reads) == 1

    socket.doubt()

    await exchange.until("websocket.close", code=4401)
    assert len(reads) == 3
