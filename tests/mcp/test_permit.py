"""Which messages need a grant depends on what the server would do with them in the revision they are in."""

from __future__ import annotations

import pytest
from mcp.types import EmptyResult, SubscribeRequestParams

from mcp_guard.mcp import mount
from mcp_guard.mcp.server import lowlevel, registers
from tests.mcp.recorder import (
    MODERN,
    json_headers,
    modern,
    modern_call,
    modern_headers,
    open_session,
    request,
)

METHOD = "resources/subscribe"


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
    answer = await request(subscribing, modern(METHOD, uri="note://1"), **headers)
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
    answer = await request(mounted, modern_call("secret") | {"id": "s"}, **modern_headers(policy.server))
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
