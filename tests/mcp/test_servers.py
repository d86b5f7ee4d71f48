"""All doors under real servers with the SDK's own client: eras, live progress, cancelling, shutting down."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from project.tour.websocket import websocket_transport
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS, STOP_SECONDS, CALL_SECONDS = 40, 8, 10
COMMANDS = {
    "daphne": ("daphne", "-v", "0", "-b", "127.0.0.1", "-p"),
    "uvicorn": ("uvicorn", "--log-level", "warning", "--host", "127.0.0.1", "--port"),
}
DOORS = ("/mcp", "/django/mcp", "/ws/mcp")


@dataclass
class Running:
    """A server, the tokens it knows and the file its tools write to."""

    process: subprocess.Popen
    port: int
    tokens: dict[str, str]
    log: Path

    @property
    def events(self) -> list[str]:
        return self.log.read_text().splitlines()

    async def until(self, event: str) -> None:
        async with asyncio.timeout(CALL_SECONDS):
            while event not in self.events:  # noqa: ASYNC110 (the event is in another process)
                await asyncio.sleep(0.02)

    @asynccontextmanager
    async def client(self, door: str, mode: str, token: str | None = None):
        if door.startswith("/ws/"):
            url = f"ws://127.0.0.1:{self.port}{door}"
            transport = websocket_transport(
                url, origin="https://partner.example", bearer=self.tokens[token or "browser"]
            )
            async with Client(transport, mode=mode, read_timeout_seconds=CALL_SECONDS) as client:
                yield client
            return
        headers = {"Authorization": f"Bearer {self.tokens[token or 'server']}"}
        async with httpx2.AsyncClient(headers=headers, timeout=CALL_SECONDS) as http:
            transport = streamable_http_client(f"http://127.0.0.1:{self.port}{door}", http_client=http)
            async with Client(transport, mode=mode, read_timeout_seconds=CALL_SECONDS) as client:
                yield client


def environment_in(directory: Path) -> dict[str, str]:
    """Return the environment of a probe with a database and a log of its own."""
    (directory / "events").touch()
    return {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{directory / 'probe.sqlite3'}",
        "DJANGO_SETTINGS_MODULE": "tests.mcp.probe.settings",
        "PROBE_LOG": str(directory / "events"),
        "SECRET_KEY": "tests only",
        "ALLOWED_HOSTS": "127.0.0.1",
    }


def run_module(name: str, *arguments: str, environment: dict[str, str]) -> str:
    """Run a module to its end and return what it printed."""
    command = [sys.executable, "-m", name, *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=START_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def running(server: str, directory: Path) -> Iterator[Running]:
    """Start a server on a free port with a database of its own, and end it."""
    port, environment = free_port(), environment_in(directory)
    tokens = json.loads(run_module("tests.mcp.probe.policy", environment=environment))
    output = directory / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *COMMANDS[server], str(port), "tests.mcp.probe.asgi:application"],
            cwd=ROOT, env=environment, stdout=file, stderr=file,
        )  # fmt: skip
    try:
        wait_for(port, process, output)
        yield Running(process, port, tokens, directory / "events")
    finally:
        process.kill()
        process.wait()


def wait_for(port: int, process: subprocess.Popen, output: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, output.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(output.read_text())


@pytest.fixture(scope="module", params=sorted(COMMANDS))
def site(request, tmp_path_factory) -> Iterator[Running]:
    with running(request.param, tmp_path_factory.mktemp(request.param)) as started:
        yield started


@pytest.mark.parametrize("mode", ["auto", "legacy", "2026-07-28"])
@pytest.mark.parametrize("door", DOORS)
async def test_every_door_speaks_every_era(site, door, mode):
    async with site.client(door, mode) as client:
        assert client.protocol_version == ("2025-11-25" if mode == "legacy" else "2026-07-28")
        assert "add" in {tool.name for tool in (await client.list_tools()).tools}
        added = await client.call_tool("add", {"a": 2, "b": 3})
        assert added.structured_content == {"result": 5}
        told = await client.call_tool("whoami", {})
        assert told.structured_content == {"result": "partner"}
        with pytest.raises(MCPError, match="Insufficient scope"):
            await client.call_tool("forbidden", {})
    assert "forbidden" not in site.events


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
@pytest.mark.parametrize("door", DOORS)
async def test_what_is_not_granted_is_neither_listed_nor_used(site, door, mode):
    async with site.client(door, mode) as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        resources = {str(resource.uri) for resource in (await client.list_resources()).resources}
        templates = await client.list_resource_templates()
        prompts = {prompt.name for prompt in (await client.list_prompts()).prompts}

        assert tools == {"add", "whoami", "wait", "nap"}
        assert resources == {"note://public/1"}
        assert [t.uri_template for t in templates.resource_templates] == ["note://public/by-name/{name}"]
        assert prompts == {"summary"}
        assert (await client.read_resource("note://public/by-name/x")).contents[0].text == "x"
        assert await client.get_prompt("summary")
        for asked in (
            client.call_tool("forbidden", {}),
            client.read_resource("note://secret/1"),
            client.read_resource("note://secret/by-name/x"),
            client.read_resource("note://public/../secret/1"),
            client.get_prompt("secret_prompt"),
        ):
            with pytest.raises(MCPError, match="Insufficient scope"):
                await asked
    assert not {"forbidden", "secret note", "secret prompt"} & set(site.events)


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
@pytest.mark.parametrize("door", DOORS)
async def test_a_token_for_one_tool_sees_and_uses_nothing_else(site, door, mode):
    before = list(site.events)
    async with site.client(door, mode, "one") as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ["add"]
        assert (await client.list_resources()).resources == []
        assert (await client.list_resource_templates()).resource_templates == []
        assert (await client.list_prompts()).prompts == []
        assert (await client.call_tool("add", {"a": 1, "b": 1})).structured_content == {"result": 2}
        for tool in ("whoami", "wait", "nap", "forbidden", "no such tool"):
            with pytest.raises(MCPError, match=f"Insufficient scope: tools/call:{tool} is needed"):
                await client.call_tool(tool, {"label": "x"})
        assert (await client.call_tool("add", {"a": 2, "b": 2})).structured_content == {"result": 4}
    assert {event for event in site.events if event not in before} <= {"started", "stopped"}


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
@pytest.mark.parametrize("door", DOORS)
async def test_progress_is_live_and_abandoning_a_call_cancels_it(site, door, mode):
    label = f"{door} {mode}"
    seen = asyncio.Event()

    async def follow(progress, total, message):
        assert message == label
        seen.set()

    async with site.client(door, mode) as client:
        calling = asyncio.create_task(client.call_tool("wait", {"label": label}, progress_callback=follow))
        await asyncio.wait_for(seen.wait(), CALL_SECONDS)
        assert f"cancelled {label}" not in site.events
        calling.cancel()
        await site.until(f"cancelled {label}")


async def test_a_client_that_vanishes_cancels_its_call(site):
    """The TCP connection goes away in the middle of a stream."""
    for door in ("/mcp", "/django/mcp"):
        label = f"vanished {door}"
        meta = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
            "progressToken": "p",
        }
        params = {"name": "wait", "arguments": {"label": label}, "_meta": meta}
        headers = {
            "Authorization": f"Bearer {site.tokens['server']}",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": "2026-07-28",
            "Mcp-Method": "tools/call",
            "Mcp-Name": "wait",
        }
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        url = f"http://127.0.0.1:{site.port}{door}"
        async with (
            httpx2.AsyncClient(timeout=CALL_SECONDS) as http,
            http.stream("POST", url, json=body, headers=headers) as response,
        ):
            assert response.status_code == 200
            assert response.headers["content-type"].startswith("text/event-stream")
            assert "notifications/progress" in await anext(response.aiter_text())
        await site.until(f"cancelled {label}")


@pytest.mark.parametrize("server", sorted(COMMANDS))
async def test_the_process_ends_with_sessions_sockets_and_a_sync_tool(server, tmp_path):
    with running(server, tmp_path) as site:
        async with (
            site.client("/mcp", "legacy") as over_http,
            site.client("/django/mcp", "legacy") as in_django,
            site.client("/ws/mcp", "legacy") as over_websocket,
        ):
            for client in (over_http, in_django, over_websocket):
                assert (await client.call_tool("nap", {})).structured_content == {"result": "rested"}
            assert site.events.count("napped") == 3
            assert site.events.count("started") == 3
            site.process.terminate()
            await asyncio.to_thread(site.process.wait, STOP_SECONDS)
            assert site.events.count("stopped") == 3


def test_a_wsgi_process_ends_with_a_session_and_a_sync_tool(tmp_path):
    environment = environment_in(tmp_path)
    tokens = json.loads(run_module("tests.mcp.probe.policy", environment=environment))
    printed = run_module("tests.mcp.probe.wsgi_exit", tokens["server"], environment=environment)
    assert "rested" in printed
    assert (tmp_path / "events").read_text().split() == ["started", "napped"]
