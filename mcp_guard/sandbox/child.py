"""A child process whose exit is known as soon as it happens.

``asyncio.subprocess.Process.wait`` waits for the ends of the streams too: as long as another process holds
one open, or nobody reads what is in it. Neither may keep a box from being tidied up.
"""

from __future__ import annotations

import asyncio
import contextlib
from asyncio.subprocess import PIPE, Process, SubprocessStreamProtocol
from dataclasses import dataclass
from typing import Final, cast

from mcp_guard.sandbox.plan import Plan

DRAIN_SECONDS: Final = 0.5
"""How long the streams of a process that has ended may take to say what is left in them."""


class _Protocol(SubprocessStreamProtocol):
    def __init__(self, limit: int, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=limit, loop=loop)
        self.transport: asyncio.SubprocessTransport | None = None
        self.exited: asyncio.Future[int] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport = cast("asyncio.SubprocessTransport", transport)  # uvloop's is one without saying so

    def process_exited(self) -> None:
        super().process_exited()
        code = self.transport.get_returncode() if self.transport else None
        if not self.exited.done():
            self.exited.set_result(255 if code is None else code)


@dataclass(frozen=True, slots=True)
class Child:
    """A process with its streams, and its exit status, negative for a signal."""

    process: Process
    exited: asyncio.Future[int]
    transport: asyncio.SubprocessTransport

    async def close(self) -> None:
        """Let go of the streams; the process has ended."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait(), DRAIN_SECONDS)
        self.transport.close()


async def spawn(plan: Plan, line_bytes: int) -> Child:
    """Start the launcher of a plan in a session of its own; of the portal it has its descriptors alone."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.subprocess_exec(
        lambda: _Protocol(line_bytes, loop),
        *plan.argv,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        pass_fds=plan.descriptors,
        start_new_session=True,
        cwd="/",
        env={},
    )
    return Child(Process(transport, protocol, loop), protocol.exited, transport)
