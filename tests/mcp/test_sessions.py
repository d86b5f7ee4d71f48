"""Session managers: one for each loop, held by a task that inherits nothing, ended in bounded time."""

from __future__ import annotations

import asyncio

import pytest
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from mcp_guard.mcp.server import lowlevel
from mcp_guard.mcp.sessions import Sessions
from tests.mcp.recorder import CALLER, INITIALIZE, json_headers, request

BODY = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE}


def sessions_of(recorder) -> Sessions:
    return Sessions(lambda: StreamableHTTPSessionManager(app=lowlevel(recorder.server)))


async def initialize(sessions):
    return await request(sessions, BODY, **json_headers(None))


async def test_the_server_s_lifespan_inherits_nothing_of_the_first_caller(recorder):
    sessions = sessions_of(recorder)
    CALLER.set("alice")
    assert (await initialize(sessions)).status == 200
    assert recorder.events == ["started by nobody"]
    await sessions.aclose()


async def test_one_manager_serves_all_requests_of_a_loop_and_stops_with_aclose(recorder):
    sessions = sessions_of(recorder)
    answers = await asyncio.gather(*(initialize(sessions) for _ in range(5)))
    assert {answer.status for answer in answers} == {200}
    assert recorder.events == ["started by nobody"]
    await sessions.aclose()
    assert recorder.events == ["started by nobody", "stopped"]


async def test_a_request_after_aclose_starts_anew(recorder):
    sessions = sessions_of(recorder)
    await initialize(sessions)
    await sessions.aclose()
    assert (await initialize(sessions)).status == 200
    await sessions.aclose()
    assert recorder.events == ["started by nobody", "stopped"] * 2


async def test_aclose_without_a_request_does_nothing(recorder):
    await sessions_of(recorder).aclose()
    assert recorder.events == []


def test_each_loop_has_its_own_and_closed_loops_are_forgotten(recorder):
    sessions = sessions_of(recorder)
    for _ in range(3):
        assert asyncio.run(initialize(sessions)).status == 200
    assert recorder.events == ["started by nobody", "stopped"] * 3
    assert len(sessions._owners) == 1


async def test_a_server_that_does_not_start_fails_the_request_and_is_tried_again(recorder, caplog):
    managers = [RuntimeError("no database"), StreamableHTTPSessionManager(app=lowlevel(recorder.server))]

    def build():
        manager = managers.pop(0)
        if isinstance(manager, Exception):
            raise manager
        return manager

    sessions = Sessions(build)
    with pytest.raises(RuntimeError, match="did not start"):
        await initialize(sessions)
    assert "no database" in caplog.text
    assert (await initialize(sessions)).status == 200
    await sessions.aclose()
