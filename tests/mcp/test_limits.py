"""Limits of the calls of a server object: errors that leave a socket open, slots that last as they do."""

from __future__ import annotations

import asyncio
import time

import pytest
from django.test import override_settings

from mcp_guard.asgi.sweep import sweep
from mcp_guard.live.slots import calls, sockets
from mcp_guard.mcp import MCPConsumer, mount
from mcp_guard.mcp.consumer import _Watch
from tests.mcp.conftest import LISTED
from tests.mcp.recorder import open_session, session_call
from tests.mcp.test_consumer import connected

SECONDS = 5


@pytest.fixture
def limits():
    said = {"calls_per_principal": 2, "in_flight_bytes": 54_000, "call_seconds": 20}
    endpoints = {"notes": {"profile": "partner", "limits": said}, "tools": {"profile": "token"}}
    with override_settings(MCP_GUARD={"ENDPOINTS": endpoints}):
        yield
    assert (calls.all(), sockets.all()) == ({}, {})


@pytest.fixture
def app(limits, recorder, policy):
    return MCPConsumer.as_asgi(server=recorder.server, endpoint="notes")


@pytest.fixture
def headers(policy):
    return {"origin": LISTED, "authorization": f"Bearer {policy.browser}"}


async def answer_to(socket, identifier):
    while (answer := await socket.hear()).get("id") != identifier:
        pass
    return answer


async def until(holds):
    async with asyncio.timeout(SECONDS):
        while not holds():  # noqa: ASYNC110 (nothing tells of it)
            await asyncio.sleep(0.01)


async def test_one_call_too_many_is_answered_with_an_error_and_the_socket_stays(app, headers, recorder):
    async with connected(app, **headers) as socket, connected(app, **headers) as other:
        await socket.call("wait", 1)
        await other.call("wait", 2)
        await until(lambda: recorder.events.count("waiting") == 2)
        await socket.call("echo", 3, text="too many")
        error = (await answer_to(socket, 3))["error"]
        assert (error["code"], error["message"]) == (-32600, "Too many requests")
        await other.say("notifications/cancelled", None, requestId=2)
        await until(lambda: [*calls.all().values()] == [1])
        await socket.call("echo", 4, text="one of two")
        assert (await answer_to(socket, 4))["result"]["structuredContent"] == {"result": "one of two"}
    assert "echo too many" not in recorder.events


async def test_what_is_unanswered_is_bounded(app, headers, recorder):
    async with connected(app, **headers) as socket:
        await socket.call("wait", 1, padding="x" * 3000)
        await until(lambda: "waiting" in recorder.events)
        await socket.call("echo", 2, text="y" * 3000)
        assert (await answer_to(socket, 2))["error"]["message"] == "Too many requests"
        await socket.call("echo", 3, text="short")
        assert "result" in await answer_to(socket, 3)


async def test_a_call_that_takes_too_long_is_answered_once_and_cancelled(app, headers, recorder):
    async with connected(app, **headers) as socket:
        await socket.call("wait", 1)
        await until(lambda: "waiting" in recorder.events)
        [watch] = [one for one in sweep()._open if isinstance(one, _Watch)]
        watch.look(time.monotonic() + 19)
        watch.look(time.monotonic() + 21)
        watch.look(time.monotonic() + 22)
        error = (await answer_to(socket, 1))["error"]
        assert (error["code"], error["message"]) == (-32603, "The call took too long")
        await until(lambda: "cancelled" in recorder.events)
        await socket.call("echo", 1, text="the same id")
        assert "result" in await answer_to(socket, 1)


@pytest.mark.parametrize("end", ["disconnect", "cancel"])
async def test_every_slot_comes_back_with_the_end_of_a_socket(app, headers, recorder, end):
    async with connected(app, end=False, **headers) as socket:
        await socket.call("wait", 1)
        await until(lambda: "waiting" in recorder.events)
        assert [*calls.all().values()] == [1]
        if end == "disconnect":
            await socket.communicator.disconnect(timeout=SECONDS)
        else:
            socket.communicator.stop(exceptions=False)
    await until(lambda: not calls.all() and not sockets.all())


async def test_a_call_that_goes_on_without_its_client_keeps_its_slot(limits, policy, recorder):
    """Up to revision 2025-11-25 a client that has gone may come back for the answer."""
    mounted = mount(recorder.server, endpoint="notes")
    session = await open_session(mounted, policy.server)
    call = asyncio.create_task(session_call(mounted, policy.server, session, "wait"))
    await until(lambda: "waiting" in recorder.events)
    call.cancel()
    await asyncio.wait([call])
    await asyncio.sleep(0.05)

    assert [*calls.all().values()] == [1]
    assert "cancelled" not in recorder.events
    await mounted.aclose()
    assert "cancelled" in recorder.events


async def test_such_a_call_is_cancelled_when_it_takes_too_long(limits, policy, recorder):
    mounted = mount(recorder.server, endpoint="notes")
    session = await open_session(mounted, policy.server)
    call = asyncio.create_task(session_call(mounted, policy.server, session, "wait"))
    await until(lambda: "waiting" in recorder.events)
    for one in list(sweep()._open):
        one.look(time.monotonic() + 21)
    answer = await call

    assert "The call took too long" in answer.body.decode()
    await until(lambda: "cancelled" in recorder.events and not calls.all())
    await mounted.aclose()
