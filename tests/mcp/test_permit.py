"""Which messages need a grant depends on what the server would do with them in the revision they are in."""

from __future__ import annotations

import pytest
from mcp.types import EmptyResult, SubscribeRequestParams

from mcp_guard.mcp import mount
from mcp_guard.mcp.server import lowlevel, registers
from tests.mcp.recorder import MODERN, json_headers, modern, modern_headers, open_session, request

METHOD = "resources/subscribe"


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
