"""The SDK's server behind the gate over HTTP: who it acts for, what it sees, what it is asked."""

from __future__ import annotations

import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from mcp.server.auth.middleware.bearer_auth import authorization_context
from mcp.server.lowlevel import Server

from mcp_guard import changes, testing
from mcp_guard.mcp import mount
from mcp_guard.mcp.principal import sdk_user
from mcp_guard.mcp.server import lowlevel, registers
from mcp_guard.policy.decision import Principal
from tests.mcp.conftest import LISTED
from tests.mcp.recorder import (
    call,
    json_headers,
    modern,
    modern_call,
    modern_headers,
    open_session,
    request,
    session_call,
)


@pytest.fixture
async def mounted(recorder):
    app = mount(recorder.server, endpoint="notes")
    yield app
    await app.aclose()


async def test_a_call_with_a_grant_runs_the_tool(mounted, policy, recorder):
    answer = await call(mounted, policy.server, "echo", text="hello")
    assert (answer.status, answer.result) == (200, {"result": "hello"})
    assert "echo hello" in recorder.events


@pytest.mark.parametrize(
    ("token", "tool", "status"),
    [(None, "echo", 401), ("mcpg_" + "0" * 49, "echo", 401), ("valid", "secret", 403)],
    ids=["no token", "unknown token", "no grant"],
)
async def test_a_refused_call_reaches_neither_tool_nor_server(mounted, policy, recorder, token, tool, status):
    answer = await call(mounted, policy.server if token == "valid" else token, tool, text="x")
    assert answer.status == status
    assert recorder.events == []


async def test_a_foreign_origin_is_refused_and_a_listed_one_is_not(mounted, policy, recorder):
    headers = modern_headers(policy.browser, name="echo")
    foreign = await request(mounted, modern_call("echo", text="x"), **headers, origin="https://evil.example")
    assert foreign.status == 403
    assert recorder.events == []
    listed = await request(mounted, modern_call("echo", text="x"), **headers, origin=LISTED)
    assert listed.status == 200
    assert listed.header("access-control-allow-origin") == LISTED


async def test_tools_see_the_principal_and_no_credential(mounted, policy):
    answer = await request(
        mounted,
        modern_call("whoami"),
        **modern_headers(policy.server, name="whoami"),
        cookie="sessionid=abc; a=b",
    )
    token = answer.result["token"]
    assert token["token"] == ""
    assert token["client_id"] == str(policy.client.pk)
    assert token["claims"] == {"client_name": "partner"}
    assert "tools/call:echo" in token["scopes"]
    assert answer.result["client"] == "partner"
    assert "authorization" not in answer.result["headers"]
    assert policy.server not in answer.body.decode()


async def test_a_session_belongs_to_its_principal(mounted, policy, recorder):
    session = await open_session(mounted, policy.server)
    own = await session_call(mounted, policy.server, session, "echo", text="own")
    assert own.status == 200
    stolen = await session_call(mounted, policy.other, session, "echo", text="stolen")
    assert stolen.status == 404
    assert "echo stolen" not in recorder.events


async def test_a_session_outlives_the_rotation_of_its_token(mounted, policy):
    session = await open_session(mounted, policy.server)
    rotated = await sync_to_async(changes.rotate_token)(testing.ACTOR, policy.token)
    answer = await session_call(mounted, rotated.text, session, "echo", text="later")
    assert answer.message["result"]["content"][0]["text"] == "later"


async def test_a_session_of_a_revoked_token_is_closed_to_it(mounted, policy, recorder):
    session = await open_session(mounted, policy.server)
    await sync_to_async(changes.revoke_token)(testing.ACTOR, policy.token)
    answer = await session_call(mounted, policy.server, session, "echo", text="late")
    assert answer.status == 401
    assert "echo late" not in recorder.events


async def test_an_unknown_method_is_answered_by_the_server(mounted, policy):
    answer = await request(mounted, modern("x/unknown"), **modern_headers(policy.server, "x/unknown"))
    assert answer.status == 404
    assert answer.message["error"]["code"] == -32601


async def test_a_known_method_needs_its_grant(mounted, policy, recorder):
    @recorder.server.completion()
    async def complete(ref, argument, context):
        recorder.events.append("completed")

    params = {"ref": {"type": "ref/prompt", "name": "p"}, "argument": {"name": "a", "value": "b"}}
    body = modern("resources/read", uri="note://1")
    headers = modern_headers(policy.server, "resources/read", "note://1")
    assert (await request(mounted, body, **headers)).status == 403
    body = modern("completion/complete", **params)
    other = {**params, "ref": {"type": "ref/prompt", "name": "secret"}}
    headers = modern_headers(policy.server, "completion/complete")
    refused = await request(mounted, modern("completion/complete", **other), **headers)
    needed = 'scope="completion/complete prompts/get:secret"'
    assert (refused.status, needed in refused.header("www-authenticate")) == (403, True)
    granted = await request(mounted, body, **modern_headers(policy.server, "completion/complete"))
    assert granted.status == 200
    assert "completed" in recorder.events


async def test_an_error_of_a_tool_tells_nothing(mounted, policy):
    answer = await call(mounted, policy.server, "crash")
    assert answer.message["result"]["isError"] is True
    assert "secret" not in answer.body.decode()


async def test_a_websocket_at_the_mount_is_refused(mounted, policy):
    sent = []

    async def send(event):
        sent.append(event)

    await mounted({"type": "websocket", "path": "/mcp", "headers": []}, None, send)
    assert sent == [{"type": "websocket.close"}]


async def test_the_body_limit_is_the_endpoint_s(recorder, policy):
    limits = {"ENDPOINTS": {"notes": {"profile": "partner", "limits": {"body_bytes": 8_000_000}}}}
    with override_settings(MCP_GUARD=limits):
        app = mount(recorder.server, endpoint="notes")
        large = await call(app, policy.server, "echo", text="a" * 5_000_000)
        assert large.status == 200
        larger = await call(app, policy.server, "echo", text="b" * 9_000_000)
        assert larger.status == 413
        assert not any(event.startswith("echo b") for event in recorder.events)
        await app.aclose()


async def test_options_reach_the_session_manager(recorder, policy):
    app = mount(recorder.server, endpoint="notes", json_response=True)
    session = await open_session(app, policy.server)
    answer = await session_call(app, policy.server, session, "echo", text="x")
    assert answer.header("content-type") == "application/json"
    await app.aclose()


def test_an_unknown_endpoint_is_refused_at_start(recorder):
    with pytest.raises(ImproperlyConfigured, match="no endpoint 'nowhere'"):
        mount(recorder.server, endpoint="nowhere")


def test_an_endpoint_that_leaves_authentication_to_the_application_is_refused(recorder):
    endpoints = {"notes": {"profile": "token", "forward_authorization": True}}
    forwarding = override_settings(MCP_GUARD={"ENDPOINTS": endpoints})
    with forwarding, pytest.raises(ImproperlyConfigured, match="authenticates nobody"):
        mount(recorder.server, endpoint="notes")


def test_an_endpoint_that_reads_no_messages_is_refused(recorder):
    endpoints = {"notes": {"profile": "token", "messages": "http"}}
    unread = override_settings(MCP_GUARD={"ENDPOINTS": endpoints})
    with unread, pytest.raises(ImproperlyConfigured, match="no tool needs a grant"):
        mount(recorder.server, endpoint="notes")


def test_both_kinds_of_server_objects_are_taken(recorder):
    low = lowlevel(recorder.server)
    assert isinstance(low, Server)
    assert lowlevel(low) is low
    assert lowlevel(recorder.server) is low


def test_foreign_middleware_makes_every_method_count_as_known(recorder):
    low = lowlevel(recorder.server)
    known = registers(low)
    assert known("tools/call")
    assert known("initialize")
    assert not known("x/unknown")

    async def answers_anything(ctx, call_next):
        return {}

    low.middleware.append(answers_anything)
    assert known("x/unknown")


def test_identity_is_client_and_user_not_the_token():
    def identity(principal):
        return authorization_context(sdk_user(principal))

    base = Principal(client_id=1, client="a", user_id=2, token_id=3)
    assert identity(base) == identity(base._replace(token_id=4, client="renamed"))
    assert identity(base) != identity(base._replace(client_id=9))
    assert identity(base) != identity(base._replace(user_id=9))
    assert identity(base) != identity(base._replace(user_id=None))
    assert identity(Principal(user_id=2)) != identity(base)
    assert sdk_user(Principal()) is None


async def test_a_malformed_message_never_reaches_the_server(mounted, policy, recorder):
    body = {"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "echo", "arguments": {"text": "x"}}}
    answer = await request(mounted, body, **json_headers(policy.server))
    assert answer.status == 400
    assert recorder.events == []


async def test_lists_in_event_streams_show_what_may_be_used(mounted, policy):
    session = await open_session(mounted, policy.server)
    body = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
    headers = {"mcp_session_id": session, "mcp_protocol_version": "2025-11-25"}
    answer = await request(mounted, body, **json_headers(policy.server), **headers)
    assert answer.header("content-type") == "text/event-stream"
    names = {tool["name"] for tool in answer.message["result"]["tools"]}
    assert names == {"echo", "whoami", "wait", "count", "crash"}
    assert b"secret" not in answer.body
