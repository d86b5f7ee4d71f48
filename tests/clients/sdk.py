"""The Python SDK's client, over HTTP and over the WebSocket transport of the demo site."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from project.tour.websocket import websocket_transport
from tests.clients.job import Job, Seen

SECONDS: Final = 10.0


def visit(jobs: Sequence[Job]) -> list[Seen]:
    """Return what the client sees, job by job."""

    async def all_of_them() -> list[Seen]:
        return [await _visit(job) for job in jobs]

    with ThreadPoolExecutor(1) as thread:  # Playwright has a loop running in the caller's
        return thread.submit(asyncio.run, all_of_them()).result()


async def _visit(job: Job) -> Seen:
    seen = Seen()
    try:
        async with _client(job) as client:
            seen = replace(seen, version=str(client.protocol_version))
            tools = sorted(tool.name for tool in (await client.list_tools()).tools)
            seen = replace(
                seen,
                tools=tools,
                sum=await _call(client, "add", a=2, b=3),
                forbidden=await _failure(client.call_tool("forbidden", {})),
                progress=await _abandon(client, job.label),
                caller=await _call(client, "whoami"),
            )
    except Exception as error:  # noqa: BLE001 (whatever it is, the user is told it)
        return replace(seen, error=_describe(error))
    return seen


@asynccontextmanager
async def _client(job: Job) -> AsyncIterator[Client]:
    if job.url.startswith("ws"):
        transport: Any = websocket_transport(job.url, origin=job.origin, bearer=job.token)
        async with Client(transport, mode=job.mode, read_timeout_seconds=SECONDS) as client:
            yield client
        return
    headers = {} if job.token is None else {"Authorization": f"Bearer {job.token}"}
    headers |= {} if job.origin is None else {"Origin": job.origin}
    async with httpx2.AsyncClient(headers=headers, timeout=SECONDS) as http:
        transport = streamable_http_client(job.url, http_client=http)
        async with Client(transport, mode=job.mode, read_timeout_seconds=SECONDS) as client:
            yield client


async def _call(client: Client, name: str, **arguments: object) -> Any:
    return (await client.call_tool(name, arguments)).structured_content["result"]


async def _abandon(client: Client, label: str) -> list[list[Any]]:
    """Call a tool that would take a minute, leave it once it reports progress, and return the reports."""
    seen: list[list[Any]] = []
    reported = asyncio.Event()

    async def follow(progress: float, total: float | None, message: str | None) -> None:
        seen.append([progress, total, message])
        reported.set()

    calling = asyncio.create_task(client.call_tool("wait", {"label": label}, progress_callback=follow))
    async with asyncio.timeout(SECONDS):
        await reported.wait()
    calling.cancel()
    await asyncio.gather(calling, return_exceptions=True)
    return seen


async def _failure(call: Awaitable[Any]) -> str | None:
    try:
        await call
    except Exception as error:  # noqa: BLE001 (see _visit)
        return _describe(error)
    return None


def _describe(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"
