"""Processes of the small server without a confinement, and a pool of them that no database stands behind."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from mcp_guard.mcp.audience import Audience
from mcp_guard.mcp.child import connect
from mcp_guard.policy.decision import Principal
from mcp_guard.policy.registration import Registration
from mcp_guard.sandbox.ended import Ended, Violation
from mcp_guard.servers.party import Party
from mcp_guard.servers.pool import Means, Pool
from mcp_guard.servers.tail import Tail
from mcp_guard.servers.times import Times

SMALL = str(Path(__file__).with_name("small.py"))
ANN = Principal(client_id=1, client="ann")
BOB = Principal(client_id=2, client="bob")
ROW = Registration("small", sys.executable, ("-I", SMALL), "/", shared=True)
QUICK = Times(start=10, patience=0.2, acquire=10, ping_after=0.2, ping=0.5, grace=0.5, drain=1, at_once=4)
"""Bounds of time for tests that wait until something runs out."""


class LocalBox:
    """A process in place of a box; ``violation`` is what it is said to have broken when it ends."""

    def __init__(self, process: asyncio.subprocess.Process, violation: Violation | None) -> None:
        self.stdin, self.stdout, self.stderr = process.stdin, process.stdout, process.stderr
        self.pid = process.pid
        self._process = process
        self._violation = violation

    async def wait(self) -> Ended:
        code = await self._process.wait()
        return Ended(code, self._violation, f"ended with status {code}")

    async def stop(self, grace: float) -> Ended:
        self.stdin.close()
        try:
            return await asyncio.wait_for(self.wait(), grace)
        except TimeoutError:
            self._process.kill()
            return await self.wait()


class Site:
    """Rows, the pool that serves them, and what was started for it."""

    def __init__(self, *rows: Registration, limit: int = 10, times: Times = QUICK) -> None:
        self.rows = {row.name: row for row in rows}
        self.started: list[Registration] = []
        self.violation: Violation | None = None
        self.secrets: list[str] = []
        means = Means(connect, _audience, self.rows.get, self._start)
        self.pool = Pool(means, lambda: limit, times)

    async def call(self, tool: str, who: Principal = ANN, *, server: str = "small", **arguments: object):
        """Return what a tool says to a principal."""
        async with self.pool.use(server, who) as (_, run):
            return await self.ask(run, tool, **arguments)

    @staticmethod
    async def ask(run, tool: str, **arguments: object):
        params = {"name": tool, "arguments": arguments}
        answer = await run.ready.result().ask("tools/call", params)
        return (answer.structured_content or {}).get("result")

    def slot(self, who: Principal = ANN, server: str = "small"):
        found = self.pool.slots.get((server, None)) or self.pool.slots.get((server, who.identity))
        assert found is not None
        return found

    async def ended(self, who: Principal = ANN, server: str = "small"):
        """Return how the process ended, once it has."""
        slot = self.slot(who, server)
        async with asyncio.timeout(10):
            await slot.empty()
        return slot.last

    async def _start(self, row: Registration, tail: Tail) -> LocalBox:
        self.started.append(row)
        tail.hide(self.secrets)
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            row.executable, *row.arguments, cwd=row.folder, env={"PATH": os.defpath},
            stdin=pipe, stdout=pipe, stderr=pipe,
        )  # fmt: skip
        return LocalBox(process, self.violation)


def _audience(party: Party) -> Audience:
    return Audience(hears_logs=party.identity is not None)


@asynccontextmanager
async def serving(*rows: Registration, limit: int = 10, times: Times = QUICK) -> AsyncIterator[Site]:
    """Serve rows until the block ends, and leave no process behind."""
    site = Site(*(rows or (ROW,)), limit=limit, times=times)
    try:
        yield site
    finally:
        await site.pool.aclose()


def row(*arguments: str, **values: object) -> Registration:
    """Return the row of the small server with further arguments."""
    return replace(ROW, arguments=(*ROW.arguments, *arguments), **values)


def is_alive(pid: int) -> bool:
    """Return whether there is a process of this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
