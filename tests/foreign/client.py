"""Run in the stranger's environment: the official SDK's client calls one tool of the server at a URL."""

from __future__ import annotations

import asyncio
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


async def main(url: str, token: str) -> None:
    """Print what the tool says."""
    http = httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=20)
    async with http, Client(streamable_http_client(url, http_client=http)) as client:
        result = await client.call_tool("read_note", {"note_id": 1})
        print(result.content[0].text)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
