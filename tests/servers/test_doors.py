"""Registered servers through both doors of real servers, with the SDK's own client, in both eras."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import httpx2
import pytest
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError
from mcp.shared.subscriptions import ResourceUpdated, ToolsListChanged

from tests.child import SERVERS
from tests.servers.served import Served, result, served, small, until

DOORS = ("/servers/{}/mcp", "/ws/servers/{}")
MODES = ("legacy", "auto")
GRANTED = {"add", "pid", "remember", "count", "wait", "sleep", "crash", "hang", "noise", "log", "touch"} | {
    "change", "where", "members", "spin", "trace", "cancelled",
}  # fmt: skip


@pytest.fixture(scope="module", params=sorted(SERVERS))
def site(request, tmp_path_factory) -> Iterator[Served]:
    servers = [small("shared", "fixed", shared=True), small("own"), small("off", enabled=False)]
    with served(
        request.param, tmp_path_factory.mktemp(request.param), servers, HIDDEN="from the portal"
    ) as site:
        yield site


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("door", DOORS)
async def test_every_door_speaks_every_era_and_shows_what_is_granted(site, door, mode):
    async with site.client(door.format("shared"), mode) as client:
        assert client.protocol_version == ("2025-11-25" if mode == "legacy" else "2026-07-28")
        assert {tool.name for tool in (await client.list_tools()).tools} == GRANTED
        assert [found.name for found in (await client.list_resources()).resources] == ["apple"]
        assert [found.name for found in (await client.list_prompts()).prompts] == ["praise"]
        assert (await client.list_resource_templates()).resource_templates == []
        assert await result(client, "add", a=2, b=3) == 5
        assert (await client.read_resource("fruit://apple")).contents[0].text == "apple"
        praised = await client.get_prompt("praise", {"fruit": "figs"})
        assert praised.messages[0].content.text == "Praise figs"
        assert client.instructions == "Use it gently"
        for refused in (client.call_tool("forbidden", {}), client.read_resource("fruit://banana")):
            with pytest.raises(MCPError, match="Insufficient scope"):
                await refused


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("door", DOORS)
async def test_progress_comes_in_order_and_leaving_cancels_the_call_in_the_process(site, door, mode):
    seen: list[float] = []
    reported = asyncio.Event()

    async def follow(progress, total, message):
        seen.append(progress)
        reported.set()

    async with site.client(door.format("own"), mode) as client:
        assert await client.call_tool("count", {"n": 5}, progress_callback=follow)
        assert seen == [1, 2, 3, 4, 5]
        reported.clear()
        label = f"{mode} at {door} of {site.port}"
        call = asyncio.create_task(client.call_tool("wait", {"label": label}, progress_callback=follow))
        async with asyncio.timeout(10):
            await reported.wait()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        async with asyncio.timeout(10):
            while label not in await result(client, "cancelled"):  # noqa: ASYNC110 (in another process)
                await asyncio.sleep(0.02)


@pytest.mark.parametrize("door", DOORS)
async def test_each_principal_has_its_own_process_whichever_door_it_takes(site, door):
    async with site.client(door.format("own")) as ann, site.client(door.format("own"), who="bob") as bob:
        anns, bobs = await result(ann, "pid"), await result(bob, "pid")
        assert anns != bobs
        async with site.client(DOORS[0].format("own"), "legacy") as again:
            assert await result(again, "pid") == anns
        async with (
            site.client(door.format("shared")) as one,
            site.client(door.format("shared"), who="bob") as two,
        ):
            assert await result(one, "pid") == await result(two, "pid")


async def test_nothing_of_a_request_or_of_the_portal_reaches_a_process(site):
    async with site.client(DOORS[0].format("shared"), "2026-07-28") as client:
        seen = await result(client, "where")
        members = await result(client, "members")

    assert (seen["argv"], seen["cwd"]) == (["fixed"], "/")
    assert not {"HIDDEN", "DATABASE_URL", "SECRET_KEY"} & {*seen["environment"]}
    assert set(members) <= {"name", "arguments", "_meta", "progressToken", "traceparent"}


@pytest.mark.parametrize("name", ["off", "unknown", "UPPER"])
async def test_what_is_not_served_is_one_and_the_same_to_strangers_and_starts_nothing(site, name):
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{site.port}") as http:
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        without = await http.post(f"/servers/{name}/mcp", json=body)
        headers = {"Authorization": f"Bearer {site.tokens['ann']}"}
        with_token = await http.post(f"/servers/{name}/mcp", json=body, headers=headers)
        known = await http.post("/servers/own/mcp", json=body)

    assert without.status_code == known.status_code == 401
    assert with_token.status_code == (503 if name == "off" else 401)


async def test_a_token_of_one_server_opens_no_other(site):
    async with site.client(DOORS[0].format("shared"), who="first") as client:
        assert await result(client, "add", a=1, b=1) == 2
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{site.port}") as http:
        headers = {"Authorization": f"Bearer {site.tokens['first']}"}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        assert (await http.post("/servers/own/mcp", json=body, headers=headers)).status_code == 401


@pytest.mark.parametrize("door", DOORS)
async def test_a_client_with_a_handshake_hears_of_changes(site, door):
    heard: asyncio.Queue = asyncio.Queue()

    async def hear(message):
        heard.put_nowait(message.method)

    async with site.client(door.format("own"), "legacy", message_handler=hear) as client:
        with pytest.warns(MCPDeprecationWarning):
            await client.session.subscribe_resource("fruit://apple")
        await result(client, "touch", uri="fruit://banana")
        await result(client, "touch", uri="fruit://apple")
        await result(client, "change")
        async with asyncio.timeout(10):
            found = {await heard.get() for _ in range(4)}

    assert found == {f"notifications/{kind}/list_changed" for kind in ("tools", "prompts", "resources")} | {
        "notifications/resources/updated"
    }


@pytest.mark.parametrize("door", DOORS)
async def test_a_client_that_listens_hears_of_changes(site, door):
    async with (
        site.client(door.format("shared"), "2026-07-28") as client,
        client.listen(tools_list_changed=True, resource_subscriptions=["fruit://apple"]) as listening,
    ):
        await result(client, "touch", uri="fruit://banana")
        await result(client, "touch", uri="fruit://apple")
        async with asyncio.timeout(10):
            assert await anext(listening) == ResourceUpdated("fruit://apple")
        await result(client, "change")
        async with asyncio.timeout(10):
            assert await anext(listening) == ToolsListChanged()


@pytest.mark.parametrize("door", DOORS)
async def test_a_call_that_asks_for_them_gets_what_is_logged_meanwhile(site, door):
    heard: list[str] = []

    async def hear(params):
        heard.append(params.data)

    url = door.format("own")
    async with site.client(url, "2026-07-28", logging_callback=hear, log_level="info") as client:
        await result(client, "log", text="mine")
        assert await until(lambda: heard) == ["mine"]
    async with site.client(url, "2026-07-28", logging_callback=hear) as client:
        await result(client, "log", text="not asked for")
    assert heard == ["mine"]


@pytest.mark.parametrize("door", DOORS)
async def test_what_a_process_of_ones_own_logs_is_heard_and_what_a_shared_one_logs_is_not(site, door):
    heard: list[str] = []

    async def hear(params):
        heard.append(params.data)

    async with site.client(door.format("own"), "legacy", logging_callback=hear) as client:
        await result(client, "log", text="mine")
        assert await until(lambda: heard) == ["mine"]
        assert client.server_capabilities.logging is not None
    async with site.client(door.format("shared"), "legacy", logging_callback=hear) as client:
        await result(client, "log", text="ours")
        assert client.server_capabilities.logging is None
    assert heard == ["mine"]


@pytest.mark.parametrize("door", DOORS)
async def test_calls_of_a_process_that_is_killed_fail_at_once_and_it_is_started_again(site, door):
    async with site.client(door.format("own"), "legacy") as client:
        pid = await result(client, "pid")
        call = asyncio.create_task(client.call_tool("sleep", {"seconds": 60}))
        await asyncio.sleep(0.2)
        os.killpg(pid, signal.SIGKILL)
        async with asyncio.timeout(5):
            with pytest.raises(MCPError, match="ended"):
                await call
        assert await result(client, "pid") != pid
