"""Which messages need a grant depends on what the server would do with them in the revision they are in."""

from __future__ import annotations

from typing import Annotated

import pytest
from mcp.types import EmptyResult, SubscribeRequestParams
from pydantic import Field

from mcp_guard.asgi import guard
from mcp_guard.mcp import mount
from mcp_guard.mcp.server import input_schemas, lowlevel, registers
from tests.mcp.recorder import (
    META,
    MODERN,
    json_headers,
    modern,
    modern_call,
    modern_headers,
    open_session,
    request,
)

METHOD = "resources/subscribe"
VERSION = "io.modelcontextprotocol/protocolVersion"


@pytest.fixture
async def mounted(recorder):
    app = mount(recorder.server, endpoint="notes")
    yield app
    await app.aclose()


@pytest.fixture
async def subscribing(recorder):
    async def subscribe(*_: object) -> EmptyResult:
        recorder.events.append("subscribed")
        return EmptyResult()

    low = lowlevel(recorder.server)
    low.add_request_handler(METHOD, SubscribeRequestParams, subscribe)
    app = mount(low, endpoint="notes")
    yield app
    await app.aclose()


@pytest.mark.parametrize("params", [{}, {"uri": "note://1"}], ids=["without uri", "with uri"])
async def test_a_method_that_the_revision_dropped_is_answered_by_the_server(
    subscribing, policy, recorder, params
):
    answer = await request(subscribing, modern(METHOD, **params), **modern_headers(policy.server, METHOD))
    assert (answer.status, answer.message["error"]["code"]) == (404, -32601)
    assert "subscribed" not in recorder.events


@pytest.mark.parametrize(("params", "status"), [({}, 400), ({"uri": "note://1"}, 403)])
async def test_the_same_method_needs_name_and_grant_where_it_exists(
    subscribing, policy, recorder, params, status
):
    session = await open_session(subscribing, policy.server)
    body = {"jsonrpc": "2.0", "id": 2, "method": METHOD, "params": params}
    for more in ({}, {"mcp_protocol_version": "2025-11-25"}):
        answer = await request(
            subscribing, body, **json_headers(policy.server), mcp_session_id=session, **more
        )
        assert answer.status == status
    assert "subscribed" not in recorder.events


async def test_a_revision_nobody_knows_drops_nothing(subscribing, policy, recorder):
    headers = modern_headers(policy.server, METHOD) | {"mcp_protocol_version": "2999-01-01"}
    body = modern(METHOD, uri="note://1")
    body["params"] = body["params"] | {"_meta": META | {VERSION: "2999-01-01"}}
    answer = await request(subscribing, body, **headers)
    assert answer.status == 403
    assert "subscribed" not in recorder.events


def test_foreign_middleware_may_answer_what_a_revision_dropped(recorder):
    low = lowlevel(recorder.server)
    assert registers(low)("initialize", "2025-11-25")
    assert not registers(low)("initialize", MODERN)

    async def answers_anything(ctx, call_next):
        return {}

    low.middleware.append(answers_anything)
    assert registers(low)("initialize", MODERN)


@pytest.mark.parametrize(
    ("body", "identifier", "code", "message"),
    [
        (b"{", None, -32700, "the message is not JSON"),
        (b'{"id":7,"id":7}', None, -32700, "a member occurs twice in one object"),
        (b"[]", None, -32600, "batches are not accepted"),
        (b'{"jsonrpc":"2.0","id":"a","method":"ping","params":[]}', "a", -32600, "params is not an object"),
    ],
)
async def test_who_sends_what_is_no_message_is_told_what_is_wrong(
    mounted, policy, recorder, body, identifier, code, message
):
    answer = await request(mounted, body, **json_headers(policy.server))
    error = answer.message["error"]
    assert (answer.status, answer.message["id"]) == (400, identifier)
    assert (error["code"], error["message"]) == (code, message)
    assert recorder.events == []


async def test_a_call_without_grant_is_answered_under_its_id_and_told_the_grant(mounted, policy, recorder):
    answer = await request(
        mounted, modern_call("secret") | {"id": "s"}, **modern_headers(policy.server, name="secret")
    )
    error = answer.message["error"]
    assert (answer.status, answer.message["id"], error["code"]) == (403, "s", -32600)
    assert error["message"] == "Insufficient scope: tools/call:secret is needed"
    assert error["data"].keys() == {"correlation_id", "scope"}
    assert recorder.events == []


async def test_a_token_in_a_body_is_refused_under_the_id_of_the_message(mounted, policy, recorder):
    body = modern_call("echo", text="x") | {"auth": {"bearer": policy.server}}
    answer = await request(mounted, body, **modern_headers(policy.server))
    assert (answer.status, answer.message["id"]) == (400, 1)
    assert policy.server not in answer.body.decode()
    assert recorder.events == []


@pytest.mark.parametrize(
    ("headers", "which"),
    [
        ({"mcp_name": "secret"}, "Mcp-Name"),
        ({"mcp_name": "=?base64?c2VjcmV0?="}, "Mcp-Name"),
        ({"mcp_method": "tools/list"}, "Mcp-Method"),
        ({"mcp_protocol_version": "2027-01-01"}, "MCP-Protocol-Version"),
    ],
)
async def test_headers_that_say_something_else_are_told_under_the_id(
    mounted, policy, recorder, headers, which
):
    said = modern_headers(policy.server, name="echo") | headers
    answer = await request(mounted, modern_call("echo", text="x") | {"id": "h"}, **said)
    error = answer.message["error"]
    assert (answer.status, answer.message["id"], error["code"]) == (400, "h", -32020)
    assert error["message"].startswith(f"{which} does not repeat")
    assert recorder.events == []


async def test_a_name_in_base64_is_the_name(mounted, policy, recorder):
    headers = modern_headers(policy.server, name="=?base64?ZWNobw==?=")
    answer = await request(mounted, modern_call("echo", text="x"), **headers)
    assert answer.status == 200
    assert "echo x" in recorder.events


@pytest.mark.parametrize(
    ("said", "status"),
    [({"mcp_param_region": "eu"}, 200), ({"mcp_param_region": "us"}, 400), ({}, 400)],
    ids=["agree", "disagree", "missing"],
)
@pytest.mark.parametrize("door", ["server object", "application"])
async def test_annotated_arguments_are_repeated(policy, recorder, door, said, status):
    async def count(region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})]) -> str:
        recorder.events.append(f"counted in {region}")
        return region

    recorder.server.remove_tool("count")
    recorder.server.add_tool(count, name="count")
    app = mount(recorder.server, endpoint="notes")
    if door == "application":
        app = guard(app._serve, "notes", input_schema=input_schemas(lowlevel(recorder.server)))
    headers = modern_headers(policy.server, name="count") | said
    answer = await request(app, modern_call("count", region="eu"), **headers)
    assert answer.status == status
    assert ("counted in eu" in recorder.events) is (status == 200)
    if status == 400:
        assert (answer.message["id"], answer.message["error"]["code"]) == (1, -32020)
        assert "correlation_id" in answer.message["error"]["data"]


@pytest.mark.parametrize(
    ("said", "status"), [({"mcp_param_region": "eu"}, 400), ({}, 200)], ids=["repeated", "not repeated"]
)
async def test_headers_that_nobody_can_compare_let_no_message_through(
    policy, recorder, monkeypatch, said, status
):
    def fail(name: str) -> None:
        raise ConnectionError(name)

    server = lowlevel(recorder.server)
    monkeypatch.setattr(server, "get_tool_input_schema", fail)
    app = guard(mount(recorder.server, endpoint="notes")._serve, "notes", input_schema=input_schemas(server))
    headers = modern_headers(policy.server, name="echo") | said
    answer = await request(app, modern_call("echo", text="x"), **headers)
    assert answer.status == status
    assert ("echo x" in recorder.events) is (status == 200)
