"""The Channels consumer: what it lets through to the server, and how a socket ends."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from mcp.server.lowlevel import Server

from mcp_guard import changes, testing
from mcp_guard.mcp import MCPConsumer, calls, consumer
from tests.mcp.conftest import LISTED
from tests.mcp.recorder import INITIALIZE, META

SECONDS = 5


class Socket:
    """A client of the consumer."""

    def __init__(self, app, **headers: str) -> None:
        named = {
            "host": "testserver",
            "sec-websocket-version": "13",
            "sec-websocket-protocol": "mcp",
            **headers,
        }
        pairs = [(name.encode(), value.encode()) for name, value in named.items()]
        self.communicator = WebsocketCommunicator(app, "/ws/mcp", headers=pairs)

    async def say(self, method: str, identifier: object = 1, *, bearer: str | None = None, **params) -> None:
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        if identifier is not None:
            message["id"] = identifier
        if bearer is not None:
            message["auth"] = {"bearer": bearer}
        await self.communicator.send_to(text_data=json.dumps(message))

    async def call(
        self, tool: str, identifier: object = 1, *, bearer: str | None = None, **arguments
    ) -> None:
        await self.say("tools/call", identifier, bearer=bearer, name=tool, arguments=arguments, _meta=META)

    async def hear(self) -> dict:
        return json.loads(await self.communicator.receive_from(timeout=SECONDS))

    async def closing_code(self) -> int:
        event = await self.communicator.receive_output(timeout=SECONDS)
        assert event["type"] == "websocket.close", event
        return event["code"]


@asynccontextmanager
async def connected(app, *, end: bool = True, **headers: str):
    socket = Socket(app, **headers)
    accepted, subprotocol = await socket.communicator.connect(timeout=SECONDS)
    assert accepted
    assert subprotocol == "mcp"
    yield socket
    if end:
        await socket.communicator.disconnect(timeout=SECONDS)


@pytest.fixture
def app(recorder, policy):
    return MCPConsumer.as_asgi(server=recorder.server, endpoint="notes")


def test_it_is_a_channels_consumer_by_contract(app, recorder):
    assert app.consumer_class is MCPConsumer
    assert app.consumer_initkwargs["endpoint"] == "notes"
    assert app.__name__ == "MCPConsumer"


async def test_a_token_in_the_handshake_opens_the_socket(app, policy, recorder):
    async with connected(app, origin=LISTED, authorization=f"Bearer {policy.browser}") as socket:
        await socket.call("echo", 7, text="hello")
        answer = await socket.hear()
    assert answer["id"] == 7
    assert answer["result"]["structuredContent"] == {"result": "hello"}
    assert recorder.events == ["started by nobody", "echo hello", "stopped"]


async def test_a_token_in_the_first_message_opens_the_socket(app, policy, recorder):
    async with connected(app, origin=LISTED) as socket:
        await socket.call("echo", 1, bearer=policy.browser, text="first")
        assert (await socket.hear())["result"]["structuredContent"] == {"result": "first"}
        await socket.call("echo", 2, text="second")
        assert (await socket.hear())["id"] == 2
    assert recorder.events[1:3] == ["echo first", "echo second"]


async def test_tools_see_the_principal_and_no_credential(app, policy):
    async with connected(app, origin=LISTED, cookie="sessionid=abcdefgh") as socket:
        await socket.call("whoami", bearer=policy.browser)
        answer = await socket.hear()
    seen = answer["result"]["structuredContent"]
    assert seen["client"] == "partner"
    assert seen["token"]["client_id"] == str(policy.client.pk)
    assert seen["token"]["token"] == ""
    assert not {"authorization", "cookie"} & set(seen["headers"])
    assert policy.browser not in json.dumps(answer)


async def test_the_legacy_era_works_too(app, policy):
    async with connected(app, origin=LISTED) as socket:
        await socket.say("initialize", 0, bearer=policy.browser, **INITIALIZE)
        assert (await socket.hear())["result"]["protocolVersion"] == "2025-11-25"
        await socket.say("notifications/initialized", None)
        await socket.say("tools/call", "a", name="echo", arguments={"text": "old"})
        assert (await socket.hear())["result"]["content"][0]["text"] == "old"


@pytest.mark.parametrize(
    ("bearer", "code"), [(None, 4401), ("mcpg_" + "0" * 49, 4401)], ids=["no token", "unknown token"]
)
async def test_a_first_message_without_a_good_token_closes_and_runs_nothing(app, recorder, bearer, code):
    async with connected(app, origin=LISTED, end=False) as socket:
        await socket.call("echo", bearer=bearer, text="x")
        assert await socket.closing_code() == code
        await socket.communicator.wait(timeout=SECONDS)
    assert recorder.events == []


async def test_a_foreign_origin_is_refused_before_the_socket_opens(app, policy, recorder):
    socket = Socket(app, origin="https://evil.example", authorization=f"Bearer {policy.browser}")
    accepted, _ = await socket.communicator.connect(timeout=SECONDS)
    assert not accepted
    assert recorder.events == []


async def test_a_call_without_grant_is_answered_and_the_socket_goes_on(app, policy, recorder):
    async with connected(app, origin=LISTED) as socket:
        await socket.call("secret", "s", bearer=policy.browser)
        refused = await socket.hear()
        needed = "Insufficient scope: tools/call:secret is needed"
        assert (refused["id"], refused["error"]["message"]) == ("s", needed)
        await socket.call("echo", 2, text="on")
        assert (await socket.hear())["result"]["structuredContent"] == {"result": "on"}
    assert "secret" not in recorder.events


async def test_a_malformed_message_closes_and_what_is_pipelined_behind_it_is_dropped(app, policy, recorder):
    async with connected(app, origin=LISTED, authorization=f"Bearer {policy.browser}", end=False) as socket:
        await socket.communicator.send_to(text_data='{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}')
        await socket.call("echo", text="late")
        assert await socket.closing_code() == 4400
        await socket.communicator.wait(timeout=SECONDS)
    assert recorder.events == []


async def test_progress_is_pushed_and_a_disconnect_cancels_the_call(app, policy, recorder):
    async with connected(app, origin=LISTED) as socket:
        meta = {**META, "progressToken": "p"}
        await socket.say("tools/call", bearer=policy.browser, name="wait", arguments={}, _meta=meta)
        pushed = await socket.hear()
        assert pushed["method"] == "notifications/progress"
    assert recorder.events[-2:] == ["cancelled", "stopped"]


async def test_a_revoked_token_closes_the_socket_and_cancels_the_call(app, policy, recorder):
    browser = await policy.client.tokens.aget(kind="browser")
    async with connected(app, origin=LISTED, end=False) as socket:
        meta = {**META, "progressToken": "p"}
        await socket.say("tools/call", bearer=policy.browser, name="wait", arguments={}, _meta=meta)
        await socket.hear()
        await sync_to_async(changes.revoke_token)(testing.ACTOR, browser)
        assert await socket.closing_code() == 4401
        await socket.communicator.wait(timeout=SECONDS)
    assert recorder.events[-2:] == ["cancelled", "stopped"]


async def test_open_requests_are_bounded_and_a_cancelled_one_makes_room(app, policy, recorder, monkeypatch):
    monkeypatch.setattr(calls, "MAX_OPEN", 1)
    async with connected(app, origin=LISTED, authorization=f"Bearer {policy.browser}") as socket:
        await socket.say("initialize", 0, **INITIALIZE)
        await socket.hear()
        await socket.say("tools/call", "w", name="wait", arguments={}, _meta={"progressToken": "p"})
        assert (await socket.hear())["method"] == "notifications/progress"
        await socket.say("tools/call", "e", name="echo", arguments={"text": "one too many"})
        assert (await socket.hear())["error"]["message"] == "Too many open requests"
        await socket.say("tools/call", "w", name="echo", arguments={"text": "same id"})
        assert (await socket.hear())["error"]["message"] == "Request id in use"
        await socket.say("notifications/cancelled", None, requestId="w")
        assert await asyncio.to_thread(recorder.cancelled.wait, SECONDS)
        await socket.say("tools/call", "e", name="echo", arguments={"text": "room again"})
        assert (await socket.hear())["result"]["content"][0]["text"] == "room again"
    assert [event for event in recorder.events if event.startswith("echo")] == ["echo room again"]


class FailingServer:
    """Stands in for a server object whose run goes wrong in one of several ways."""

    middleware = ()

    def __init__(self, run) -> None:
        self.run = run

    def get_request_handler(self, method):
        return None

    def create_initialization_options(self):
        return None


def failing(run):
    app = MCPConsumer.as_asgi(server=Server("unused"), endpoint="notes")
    app.consumer_initkwargs["server"] = FailingServer(run)
    return app


async def test_a_server_that_fails_closes_the_socket(policy, caplog):
    async def run(reads, writes, options):
        await reads.receive()
        raise LookupError("broken inside")

    async with connected(failing(run), origin=LISTED, end=False) as socket:
        await socket.say("ping", bearer=policy.browser)
        assert await socket.closing_code() == 4500
        await socket.communicator.wait(timeout=SECONDS)
    assert "broken inside" in caplog.text
    assert policy.browser not in caplog.text


async def test_a_server_that_ends_by_itself_closes_the_socket(policy):
    async def run(reads, writes, options):
        await reads.receive()

    async with connected(failing(run), origin=LISTED, end=False) as socket:
        await socket.say("ping", bearer=policy.browser)
        assert await socket.closing_code() == 1000
        await socket.communicator.wait(timeout=SECONDS)


async def test_a_server_that_does_not_read_is_not_waited_for(policy, monkeypatch):
    monkeypatch.setattr(consumer, "FORWARD_SECONDS", 0.05)

    async def run(reads, writes, options):
        await asyncio.sleep(60)

    async with connected(failing(run), origin=LISTED, end=False) as socket:
        monkeypatch.setattr(consumer, "CLOSE_SECONDS", 0.05)
        await socket.say("ping", bearer=policy.browser)
        assert await socket.closing_code() == 4500
        await socket.communicator.wait(timeout=1)


async def test_a_server_that_ignores_the_end_is_cancelled(policy, monkeypatch):
    monkeypatch.setattr(consumer, "CLOSE_SECONDS", 0.05)
    ended = asyncio.Event()

    async def run(reads, writes, options):
        await reads.receive()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async with connected(failing(run), origin=LISTED) as socket:
        await socket.say("ping", bearer=policy.browser)
        await asyncio.sleep(0.05)
    assert ended.is_set()


class Following(MCPConsumer):
    """Pushes what the channel layer says."""

    groups = ("notes",)

    async def notes_changed(self, event):
        await self.notify("notifications/resources/updated", {"uri": event["uri"]})


async def test_group_events_of_the_channel_layer_reach_the_client(recorder, policy):
    app = Following.as_asgi(server=recorder.server, endpoint="notes")
    assert app.consumer_class is Following
    layer = get_channel_layer()
    async with connected(app, origin=LISTED) as socket:
        await socket.call("echo", bearer=policy.browser, text="x")
        await socket.hear()
        await layer.group_send("notes", {"type": "notes.changed", "uri": "note://1"})
        pushed = await socket.hear()
        assert pushed == {
            "jsonrpc": "2.0",
            "method": "notifications/resources/updated",
            "params": {"uri": "note://1"},
        }
    assert not layer.groups.get("notes")


def test_an_endpoint_that_leaves_authentication_to_the_application_is_refused(recorder):
    endpoints = {"notes": {"profile": "token", "forward_authorization": True}}
    forwarding = override_settings(MCP_GUARD={"ENDPOINTS": endpoints})
    with forwarding, pytest.raises(ImproperlyConfigured, match="authenticates nobody"):
        MCPConsumer.as_asgi(server=recorder.server, endpoint="notes")


def test_an_endpoint_that_reads_no_messages_is_refused(recorder):
    endpoints = {"notes": {"profile": "token", "messages": "http"}}
    unread = override_settings(MCP_GUARD={"ENDPOINTS": endpoints})
    with unread, pytest.raises(ImproperlyConfigured, match="no tool needs a grant"):
        MCPConsumer.as_asgi(server=recorder.server, endpoint="notes")
