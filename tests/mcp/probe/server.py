"""The probe's server object; PROBE_LOG names the file that its tools append to."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.mcpserver import Context, MCPServer

LOG = Path(os.environ["PROBE_LOG"])


def note(line: str) -> None:
    with LOG.open("a") as log:
        log.write(f"{line}\n")


@asynccontextmanager
async def lifespan(_: MCPServer) -> AsyncIterator[None]:
    note("started")
    try:
        yield
    finally:
        note("stopped")


server = MCPServer("probe", lifespan=lifespan, subscriptions=False, log_level="WARNING")


@server.tool()
async def add(a: int, b: int) -> int:
    return a + b


@server.tool()
async def whoami() -> str:
    token = get_access_token()
    return "nobody" if token is None else str((token.claims or {})["client_name"])


@server.tool()
async def wait(ctx: Context, label: str) -> str:
    note(f"waiting {label}")
    await ctx.report_progress(1, 2, label)
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        note(f"cancelled {label}")
        raise
    return "waited"


@server.tool()
def nap() -> str:
    """Run in a thread, as sync tools do."""
    time.sleep(0.01)
    note("napped")
    return "rested"


@server.tool()
async def forbidden() -> str:
    note("forbidden")
    return "this was not granted"


@server.resource("note://public/1")
async def public_note() -> str:
    return "known to all"


@server.resource("note://secret/1")
async def secret_note() -> str:
    note("secret note")
    return "nobody's business"


@server.resource("note://public/by-name/{name}")
async def public_note_of(name: str) -> str:
    return name


@server.resource("note://secret/by-name/{name}")
async def secret_note_of(name: str) -> str:
    note("secret note")
    return name


@server.prompt()
async def summary() -> str:
    return "Sum it up."


@server.prompt()
async def secret_prompt() -> str:
    note("secret prompt")
    return "Tell it all."
