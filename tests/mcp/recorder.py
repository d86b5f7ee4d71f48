"""An SDK server object whose tools note that they ran, and bare HTTP exchanges with ASGI applications."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from channels.db import aclose_old_connections
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.mcpserver import Context, MCPServer

from mcp_guard.models import Scope

CALLER = ContextVar("caller", default="nobody")

MODERN = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "tests", "version": "1"},
}


@dataclass
class Recorder:
    """The server and, in order, what happened in it."""

    server: MCPServer
    events: list[str] = field(default_factory=list)
    cancelled: threading.Event = field(default_factory=threading.Event)


def recording_server() -> Recorder:
    @asynccontextmanager
    async def lifespan(_: MCPServer) -> AsyncIterator[None]:
        recorder.events.append(f"started by {CALLER.get()}")
        try:
            yield
        finally:
            recorder.events.append("stopped")

    server = MCPServer("recorder", lifespan=lifespan, subscriptions=False)
    recorder = Recorder(server)

    @server.tool()
    async def echo(text: str) -> str:
        recorder.events.append(f"echo {text}")
        return text

    @server.tool()
    async def whoami(ctx: Context) -> dict[str, Any]:
        token = get_access_token()
        return {
            "token": None if token is None else token.model_dump(),
            "headers": sorted(ctx.headers or {}),
            "client": ctx.request_context.request.scope["mcp_guard"].principal.client,
        }

    @server.tool()
    async def wait(ctx: Context) -> str:
        recorder.events.append("waiting")
        await ctx.report_progress(1, 2, "waiting")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            recorder.events.append("cancelled")
            recorder.cancelled.set()
            raise
        return "waited"

    @server.tool()
    async def count(ctx: Context) -> int:
        await ctx.report_progress(1, 2, "counting")
        await aclose_old_connections()
        return await Scope.objects.acount()

    @server.tool()
    async def crash() -> str:
        raise SystemError("an error with a secret in it")

    @server.tool()
    async def secret() -> str:
        recorder.events.append("secret")
        return "secret"

    return recorder


@dataclass
class Answer:
    """What came back from an application."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)

    @property
    def message(self) -> dict:
        """The JSON-RPC message, also out of an event stream that holds one answer."""
        text = self.body.decode()
        if (self.header("content-type") or "").startswith("text/event-stream"):
            data = [line[5:] for line in text.splitlines() if line.startswith("data:") and len(line) > 6]
            text = data[-1]
        return json.loads(text)

    @property
    def result(self) -> dict:
        """What a tool returned."""
        return self.message["result"]["structuredContent"]


def http_scope(method: str, headers: dict[str, str], path: str = "/mcp") -> dict:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 80),
        "headers": [
            (b"host", b"testserver"),
            *((k.lower().encode(), v.encode()) for k, v in headers.items()),
        ],
    }


async def request(app, body: object = None, *, method: str = "POST", **headers: str) -> Answer:
    """Send one request to an application; underscores in the names of headers stand for hyphens.

    A body of bytes is sent as it is, any other one as JSON.
    """
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    events = [{"type": "http.request", "body": raw, "more_body": False}]
    sent: list[dict] = []

    async def receive() -> dict:
        if events:
            return events.pop()
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    async def send(event: dict) -> None:
        sent.append(event)

    async with asyncio.timeout(10):
        await app(http_scope(method, named), receive, send)
    start = next(event for event in sent if event["type"] == "http.response.start")
    body_parts = [event.get("body", b"") for event in sent if event["type"] == "http.response.body"]
    pairs = [(name.decode(), value.decode()) for name, value in start["headers"]]
    return Answer(start["status"], pairs, b"".join(body_parts))


def modern_call(tool: str, **arguments: object) -> dict:
    return modern("tools/call", name=tool, arguments=arguments)


def modern(method: str, **params: object) -> dict:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": META}}


def modern_headers(token: str | None, method: str = "tools/call", name: str | None = None) -> dict[str, str]:
    headers = {**json_headers(token), "mcp_protocol_version": MODERN, "mcp_method": method}
    return headers if name is None else {**headers, "mcp_name": name}


def json_headers(token: str | None) -> dict[str, str]:
    headers = {"content_type": "application/json", "accept": "application/json, text/event-stream"}
    return headers if token is None else {**headers, "authorization": f"Bearer {token}"}


async def call(app, token: str | None, tool: str, **arguments: object) -> Answer:
    """Call a tool in the modern era."""
    return await request(app, modern_call(tool, **arguments), **modern_headers(token, name=tool))


async def open_session(app, token: str) -> str:
    """Initialize a session in the legacy era and return its id."""
    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE}
    answer = await request(app, body, **json_headers(token))
    assert answer.status == 200, answer
    session = answer.header("mcp-session-id")
    assert session is not None
    done = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    assert (await request(app, done, **json_headers(token), mcp_session_id=session)).status == 202
    return session


async def session_call(app, token: str, session: str, tool: str, **arguments: object) -> Answer:
    """Call a tool within a session of the legacy era."""
    body = {
        "jsonrpc": "2.0",
        "id": 2,
        "method": "tools/call",
        "params": {"name": tool, "arguments": arguments},
    }
    return await request(
        app, body, **json_headers(token), mcp_session_id=session, mcp_protocol_version="2025-11-25"
    )
