"""django-mcp-server and FastMCP behind the gate: a client with a token gets in, nothing else runs a tool."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.servers_of_others.server import Server, prepared
from tests.servers_of_others.servers import DJANGO_MCP_SERVER, FASTMCP

pytestmark = pytest.mark.packaging

MOUNTS = {"django-mcp-server": (DJANGO_MCP_SERVER, "/agents/mcp"), "FastMCP": (FASTMCP, "/mcp")}
MODES = {"django-mcp-server": ["legacy"], "FastMCP": ["legacy", "2026-07-28"]}

CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "add", "arguments": {"a": 1, "b": 2}},
}


@pytest.fixture(scope="module", params=MOUNTS)
def served(request: Any, tmp_path_factory: Any) -> Iterator[tuple[Server, str, str, str]]:
    """Yield a server, its name, its path and a token that may add."""
    server, path = MOUNTS[request.param]
    with prepared(server, tmp_path_factory.mktemp("project")):
        yield server, request.param, path, server.issue("tools", "tools/call:add")


async def call(url: str, token: str, mode: str) -> tuple[str, list[str]]:
    """Call a tool with the official client; return what it said, and the names of all tools."""
    http = httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=20)
    async with http, Client(streamable_http_client(url, http_client=http), mode=mode) as client:
        listed = await client.list_tools()
        result = await client.call_tool("add", {"a": 1, "b": 2})
        return result.content[0].text, [tool.name for tool in listed.tools]


def test_the_official_client_gets_in_with_a_token(served: Any):
    server, name, path, token = served
    before = len(server.ran)
    for mode in MODES[name]:
        said, listed = asyncio.run(call(f"http://127.0.0.1:{server.port}{path}", token, mode))
        assert said == "3 for of-14-0"
        assert "add" in listed

    assert server.ran[before:] == ["add"] * len(MODES[name])


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (401, {}),
        (401, {"Authorization": "Bearer nonsense"}),
        (403, {"Origin": "https://evil.example"}),
        (403, {"Origin": "null"}),
        (421, {"Host": "rebound.example"}),
        (415, {"Content_Type": "text/plain"}),
    ],
    ids=str,
)
def test_others_do_not(served: Any, status: int, headers: dict[str, str]):
    server, _, path, token = served
    sent = {"Accept": "application/json, text/event-stream", **headers}
    if status in (415, 421):
        sent["Authorization"] = f"Bearer {token}"
    before = len(server.ran)

    assert server.request("POST", path, CALL, **sent).status == status
    assert server.ran[before:] == []


def test_a_token_does_not_get_in_from_a_foreign_page(served: Any):
    server, _, path, token = served
    stolen = {"Authorization": f"Bearer {token}", "Origin": "https://evil.example"}
    before = len(server.ran)

    assert server.request("POST", path, CALL, **stolen).status == 403
    assert server.ran[before:] == []


def test_a_tool_without_its_grant_does_not_run(served: Any):
    server, _, path, token = served
    drop = CALL | {"params": {"name": "drop", "arguments": {}}}
    before = len(server.ran)
    answer = server.request("POST", path, drop, Authorization=f"Bearer {token}")

    assert answer.status == 403
    assert "Insufficient scope" in answer.body
    assert server.ran[before:] == []
