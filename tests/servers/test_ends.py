"""How processes of registered servers end under real servers: with their row, and with the portal."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

import pytest
from mcp.shared.exceptions import MCPError

from tests.child import SERVERS
from tests.servers.local import is_alive
from tests.servers.served import Served, result, served, small, until
from tests.servers.tails import rows, tails

DOOR = "/servers/own/mcp"


@pytest.fixture(params=sorted(SERVERS))
def site(request, tmp_path) -> Iterator[Served]:
    with served(request.param, tmp_path, [small("own"), small("later", shared=True)]) as site:
        yield site


async def test_a_row_that_is_disabled_ends_its_process_and_the_end_of_the_portal_all_others(site):
    """Calls that run may end, but under Daphne, which cancels the requests that it serves."""

    async def sleep() -> str:
        async with site.client(DOOR, "2026-07-28") as client:
            await client.list_tools()  # which it would ask for afterwards
            return await result(client, "sleep", seconds=3.25)

    async with site.client("/ws/servers/later", "legacy") as client:
        later = await result(client, "pid")
        waiting = asyncio.create_task(client.call_tool("sleep", {"seconds": 60}))
        await until(lambda: any("sleeps for 60 s" in tail for tail in tails(site)))
        await asyncio.to_thread(site.change, "later", enabled=False)
        await until(lambda: not is_alive(later))
        ended = await asyncio.gather(waiting, return_exceptions=True)
    async with site.client(DOOR, "2026-07-28") as client:
        own = await result(client, "pid")
    sleeping = asyncio.create_task(sleep())
    await until(lambda: any("sleeps for 3.25 s" in tail for tail in tails(site)))
    site.process.terminate()
    [slept] = await asyncio.gather(sleeping, return_exceptions=True)

    assert isinstance(ended[0], MCPError)
    assert await asyncio.to_thread(site.process.wait, 15) in (0, -signal.SIGTERM)
    assert slept == "slept" or site.process.args[2] == "daphne"
    assert not is_alive(own)
    assert {state for (state,) in rows(site, "state")} == {"ended"}
    assert ("changed",) in rows(site, "end")


async def test_a_portal_that_is_killed_takes_its_processes_along(tmp_path):
    with served("uvicorn", tmp_path, [small("own"), small("shared", shared=True)]) as site:
        async with site.client(DOOR, "legacy") as one, site.client("/ws/servers/shared", "legacy") as two:
            pids = [await result(one, "pid"), await result(two, "pid")]
            assert all(map(is_alive, pids))
            site.process.kill()
            await until(lambda: not any(map(is_alive, pids)))
