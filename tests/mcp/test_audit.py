"""What the audit trail has of sockets and of calls of tools, over each way to a server."""

from __future__ import annotations

import asyncio
import json

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.test import AsyncClient, AsyncRequestFactory, override_settings

from mcp_guard import changes, testing
from mcp_guard.audit import events
from mcp_guard.audit.calls import MAX_OPEN, SocketCalls
from mcp_guard.audit.events import recorder as waiting
from mcp_guard.audit.outcomes import ANSWERED, MAX_BYTES, OK, TOOL_ERROR, UNANSWERED, Answer, Outcome
from mcp_guard.audit.sums import SINGLE, sums
from mcp_guard.http.middleware import GuardMiddleware
from mcp_guard.mcp import MCPConsumer, mount
from mcp_guard.models import AuditEvent
from tests.mcp import urls
from tests.mcp.conftest import LISTED
from tests.mcp.recorder import call
from tests.mcp.test_consumer import SECONDS, connected
from tests.mcp.test_view import call_body, modern_headers, read, wsgi_client

AGENT = {"user-agent": "agent"}


def audited(what="arguments"):
    """Record the calls of every endpoint."""
    endpoints = settings.MCP_GUARD["ENDPOINTS"]
    changed = {name: {**values, "audit_calls": what} for name, values in endpoints.items()}
    return override_settings(MCP_GUARD={**settings.MCP_GUARD, "ENDPOINTS": changed})


@pytest.fixture(autouse=True)
def afresh():
    waiting.forget()
    sums.forget()
    yield
    waiting.forget()
    sums.forget()


@pytest.fixture
def app(recorder, policy):
    return MCPConsumer.as_asgi(server=recorder.server, endpoint="notes")


@pytest.fixture
async def mounted(recorder, policy):
    served = mount(recorder.server, endpoint="notes")
    yield served
    await served.aclose()


def read_events(category):
    events.flush()
    return list(AuditEvent.objects.filter(category=category).order_by("pk"))


async def recorded(category):
    return await sync_to_async(read_events)(category)


async def test_a_call_over_http_is_recorded_with_who_what_and_how_it_ended(mounted, policy):
    with audited():
        assert (await call(mounted, policy.server, "echo", text="x")).status == 200

    [event] = await recorded("call")
    assert (event.tag, event.subject, event.outcome) == ("tool:call", "echo", "ok")
    assert (event.endpoint, event.exchange, event.client) == ("notes", "request", "partner")
    assert (event.token, event.address) == (str(policy.token), "127.0.0.1")
    assert event.details["arguments"] == {"text": "x"}
    assert event.details["ms"] >= 0


async def test_arguments_are_recorded_only_where_that_is_chosen(mounted, policy):
    with audited("calls"):
        await call(mounted, policy.server, "echo", text="x")

    [event] = await recorded("call")
    assert (event.outcome, set(event.details)) == ("ok", {"ms"})


async def test_nothing_is_recorded_where_nothing_is_said(mounted, policy):
    await call(mounted, policy.server, "echo", text="x")

    assert await recorded("call") == []


@pytest.mark.parametrize(
    ("tool", "arguments", "outcome"),
    [
        ("echo", {"text": 1}, "tool_error"),
        ("crash", {}, "tool_error"),
        ("secret", {}, "refused"),
        ("unheard of", {}, "refused"),
    ],
)
async def test_a_call_that_fails_is_recorded_as_such(mounted, policy, recorder, tool, arguments, outcome):
    with audited():
        await call(mounted, policy.server, tool, **arguments)

    [event] = await recorded("call")
    assert (event.subject, event.outcome) == (tool, outcome)
    assert "secret" not in recorder.events


async def test_arguments_are_bounded_and_hold_no_secret(mounted, policy):
    hostile = {
        "text": "x" * 5000 + policy.server,
        "password": "hunter2",
        "a": {"api_key": ["k"]},
        "c": dict.fromkeys(("pwd", "db_pwd", "jwt", "idJwt", "bearer", "otp", "otp_code"), "hunter3"),
        "d": {"footprint": 1, "hotpot": 2},
        "b": ["\x1b"] * 99,
    }
    with audited():
        await call(mounted, policy.server, "echo", **hostile)

    [event] = await recorded("call")
    arguments = event.details["arguments"]
    assert (arguments["password"], arguments["a"]) == ("[redacted]", {"api_key": "[redacted]"})
    assert set(arguments["c"].values()) == {"[redacted]"}
    assert arguments["d"] == {"footprint": 1, "hotpot": 2}
    assert len(json.dumps(arguments)) < 3000
    assert policy.server not in json.dumps(arguments)


@pytest.mark.urls("tests.mcp.urls")
@pytest.mark.parametrize(("tool", "outcome"), [("echo", "ok"), ("secret", "refused")])
def test_a_call_of_a_view_under_wsgi_is_recorded(policy, tool, outcome):
    with audited():
        body, headers = call_body(tool, text="x"), modern_headers(policy.server, tool)
        response = wsgi_client().post("/mcp", body, "application/json", headers=headers)
        read(response)
        response.close()

    [event] = read_events("call")
    assert (event.subject, event.outcome, event.client) == (tool, outcome, "partner")


@pytest.mark.urls("tests.mcp.urls")
@pytest.mark.parametrize(("tool", "outcome"), [("echo", "ok"), ("count", "ok"), ("secret", "refused")])
async def test_a_call_of_a_view_under_asgi_is_recorded(policy, tool, outcome):
    with audited():
        response = await AsyncClient(headers={"host": "testserver"}).post(
            "/mcp", call_body(tool, text="x"), "application/json", headers=modern_headers(policy.server, tool)
        )
        if response.streaming:
            async for _ in response.streaming_content:
                pass
        await sync_to_async(response.close)()

    [event] = await recorded("call")
    assert (event.subject, event.outcome) == (tool, outcome)
    urls.recorder.events.clear()


@pytest.mark.urls("tests.mcp.urls")
async def test_a_call_of_a_view_whose_client_leaves_is_recorded(policy):
    """Django cancels the view then; what the call has done by that time is done."""

    async def leaving(request):
        raise asyncio.CancelledError

    request = AsyncRequestFactory(headers={"host": "testserver"}).post(
        "/mcp", call_body("echo", text="x"), "application/json", headers=modern_headers(policy.server, "echo")
    )
    with audited(), pytest.raises(asyncio.CancelledError):
        await GuardMiddleware(leaving)(request)

    [event] = await recorded("call")
    assert (event.subject, event.outcome) == ("echo", UNANSWERED.name)


async def test_calls_over_a_websocket_are_recorded(app, policy, recorder):
    with audited():
        async with connected(app, origin=LISTED, authorization=f"Bearer {policy.browser}") as socket:
            await socket.call("echo", 1, text="x")
            await socket.hear()
            await socket.call("secret", 2)
            await socket.hear()
            await socket.call("wait", 3)
            async with asyncio.timeout(SECONDS):
                while "waiting" not in recorder.events:  # noqa: ASYNC110 (the tool only notes that it runs)
                    await asyncio.sleep(0.01)

    found = {event.subject: event for event in await recorded("call")}
    assert {name: event.outcome for name, event in found.items()} == {
        "echo": "ok", "secret": "refused", "wait": "unanswered",
    }  # fmt: skip
    assert found["echo"].details["arguments"] == {"text": "x"}
    assert found["echo"].exchange == "handshake"


async def test_a_socket_is_recorded_when_it_opens_and_when_it_ends(app, policy):
    async with connected(app, origin=LISTED, authorization=f"Bearer {policy.browser}", **AGENT) as socket:
        await socket.call("echo", text="x")
        await socket.hear()

    opened, closed = await recorded("socket")
    assert [opened.tag, closed.tag] == ["socket:open", "socket:close"]
    assert (opened.client, opened.token[:7], opened.user_agent) == ("partner", "test (#", "agent")
    assert opened.correlation_id == closed.correlation_id != ""
    assert (closed.outcome, closed.details["received"], closed.details["sent"]) == ("left", 1, 1)
    assert closed.details["seconds"] >= 0


async def test_a_socket_that_is_closed_by_a_revocation_says_so(app, policy):
    async with connected(app, end=False, origin=LISTED, authorization=f"Bearer {policy.browser}") as socket:
        await socket.call("echo", text="x")
        await socket.hear()
        await sync_to_async(changes.revoke_client_tokens)(testing.ACTOR, policy.client)
        code = await socket.closing_code()

    closed = (await recorded("socket"))[-1]
    assert (closed.outcome, closed.details["code"]) == ("token_revoked", code)


async def test_a_socket_in_which_nobody_was_let_in_is_no_socket_event(app, policy):
    async with connected(app, end=False, origin=LISTED) as socket:
        await socket.call("echo", bearer="nonsense", text="x")
        await socket.closing_code()

    assert await recorded("socket") == []
    assert [event.outcome for event in await recorded("authentication")] == ["token_mistyped"]


async def test_sockets_of_nobody_in_particular_are_recorded_up_to_a_rate(policy, recorder):
    from mcp_guard import conf
    from mcp_guard.audit.sockets import SocketRecord
    from mcp_guard.policy.decision import Principal
    from tests.live import heads

    endpoint = conf.endpoint("public")
    for _ in range(SINGLE):
        record = SocketRecord(endpoint, heads.head(endpoint))
        record.open(Principal())
        record.open(Principal())
        record.close()
        record.close()
    await sync_to_async(events.flush)()
    sums.sum_up(0.0, at_once=True)

    found = await recorded("socket")
    assert sum(event.count for event in found if event.tag == "socket:open") == SINGLE
    assert sum(event.count for event in found if event.tag == "socket:close") == SINGLE
    assert len(found) == SINGLE + 2


def answer(text):
    return json.dumps(text).encode()


JSON = [(b"content-type", b"application/json")]
STREAM = [(b"Content-Type", b"text/event-stream; charset=utf-8")]
RESULT = answer({"jsonrpc": "2.0", "id": 7, "result": {"content": []}})
FAILED = answer({"jsonrpc": "2.0", "id": 7, "result": {"isError": True}})
ERROR = answer({"jsonrpc": "2.0", "id": 7, "error": {"code": -32602, "message": "x"}})
OTHER = answer({"jsonrpc": "2.0", "id": 8, "result": {}})


@pytest.mark.parametrize(
    ("status", "headers", "parts", "outcome"),
    [
        (200, JSON, [RESULT], OK),
        (200, JSON, [RESULT[:9], RESULT[9:]], OK),
        (200, JSON, [FAILED], TOOL_ERROR),
        (400, JSON, [ERROR], Outcome("error", -32602)),
        (500, JSON, [b"oops"], Outcome("error", 500)),
        (202, JSON, [], UNANSWERED),
        (200, JSON, [OTHER], UNANSWERED),
        (200, JSON, [b"[" * 100_000], UNANSWERED),
        (200, JSON, [b"x" * MAX_BYTES, b"y"], ANSWERED),
        (200, [*JSON, (b"content-encoding", b"gzip")], [b"\x1f\x8b"], ANSWERED),
        (200, STREAM, [b"data: " + RESULT + b"\r\n\r\n"], OK),
        (200, STREAM, [b"event: message\ndata: " + OTHER + b"\n\ndata:" + FAILED + b"\n\n"], TOOL_ERROR),
        (200, STREAM, [b"data: " + RESULT], OK),
        (200, STREAM, [b": ping\n\n"], UNANSWERED),
        (200, STREAM, [b"data: " + b"x" * MAX_BYTES + b"x", b"\n\ndata: " + RESULT + b"\n\n"], OK),
    ],
)
def test_what_an_answer_says_of_a_call(status, headers, parts, outcome):
    read = Answer(7)
    read.begin(status, headers)

    found = [read.feed(part) for part in parts]

    assert next((each for each in found if each is not None), None) or read.end() == outcome
    assert [each for each in found if each is not None] in ([], [outcome])


def test_a_socket_follows_only_so_many_calls():
    ended = []

    class Noted:
        def __init__(self, identifier):
            self.id = identifier

        def abandon(self):
            ended.append(self.id)

        def end(self, outcome):
            ended.append((self.id, outcome.name))

    open_calls = SocketCalls()
    for number in range(MAX_OPEN + 1):
        open_calls.begin(Noted(number))
    open_calls.begin(Noted(0))
    assert ended == [MAX_OPEN, 0]

    open_calls.see(json.dumps({"id": 3, "result": {}}))
    open_calls.see(json.dumps({"id": [3], "result": {}}))
    open_calls.see("no json")
    assert ended[2:] == [(3, "ok")]
    open_calls.abandon()
    assert len(ended) == 2 + MAX_OPEN
