"""One running box: a process started under its confinement, its streams, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
import threading
from contextlib import AsyncExitStack
from typing import Final

from mcp_guard.sandbox import needs
from mcp_guard.sandbox.cgroup import Cgroups
from mcp_guard.sandbox.child import Child, spawn
from mcp_guard.sandbox.command import Command, CommandRefusedError
from mcp_guard.sandbox.confinement import Confinement, ConfinementUnavailableError
from mcp_guard.sandbox.egress import listen
from mcp_guard.sandbox.ended import Ended, classify
from mcp_guard.sandbox.inside.launch import ENTERED
from mcp_guard.sandbox.plan import plan

LINE_BYTES: Final = 1024 * 1024
START_SECONDS: Final = 15.0
STATUS_BYTES: Final = 4096
USER_NAMESPACES: Final = (
    "allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces above 0, "
    "kernel.apparmor_restrict_unprivileged_userns=0 or an AppArmor profile for bwrap), "
    "or choose the level 'landlock'"
)


class Box:
    """A process and everything that it starts. Its streams are bounded: who does not read them stops it.

    Attributes:
        stdin: where to write.
        stdout: what it says; ``readline`` raises ``ValueError`` at a line longer than ``start`` was told.
        stderr: what it complains about; somebody has to read it, too.
        pid: number of the outermost process of the box.
        controllers: cgroup controllers that bound the box as a whole.
    """

    def __init__(self, child: Child, cgroups: Cgroups, cpu_seconds: int, tidy: AsyncExitStack) -> None:
        process = child.process
        assert process.stdin  # noqa: S101 (they were asked for)
        assert process.stdout  # noqa: S101
        assert process.stderr  # noqa: S101
        self.stdin = process.stdin
        self.stdout = process.stdout
        self.stderr = process.stderr
        self.pid = process.pid
        self._child = child
        self.controllers = frozenset(cgroups.folders)
        self._cgroups = cgroups
        self._cpu_seconds = cpu_seconds
        self._tidy = tidy
        self._stopped = False
        self._end = asyncio.ensure_future(self._ended())

    async def wait(self) -> Ended:
        """Return how it ended, once it has. Whoever waits may give up; the box goes on."""
        return await asyncio.shield(self._end)

    async def stop(self, grace: float) -> Ended:
        """Close its input, give it so many seconds to end by itself, and kill the whole box.

        What it said before can still be read, as far as it was in the buffers of the streams.
        """
        self.stdin.close()
        try:
            async with asyncio.timeout(grace):
                await self.wait()
        except TimeoutError:
            self._stopped = True
            self.kill()
        ended = await self.wait()
        await self._child.close()
        return ended

    def kill(self) -> None:
        """Kill every process of it."""
        if not self._end.done():  # afterwards its number may be another's
            self._cgroups.kill()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    async def _ended(self) -> Ended:
        """Tidy up behind the first process, whoever else of the box holds its streams open."""
        code = await self._child.exited
        self.kill()
        usage = self._cgroups.usage()
        await self._tidy.aclose()
        return classify(code, usage, cpu_seconds=self._cpu_seconds, stopped=self._stopped)


async def start(command: Command, confinement: Confinement, *, line_bytes: int = LINE_BYTES) -> Box:
    """Start a command in a box and return it once the program has been entered.

    It has to be awaited on the main thread: the kernel ends a box with the thread that started it.

    Args:
        command: what is started.
        confinement: what it may do.
        line_bytes: how much of a line of its output is kept while the rest is awaited.

    Raises:
        CommandRefusedError: when the program is not what it should be, or cannot be executed.
        ConfinementUnavailableError: when this machine cannot confine it so; nothing was executed then.
    """
    if threading.current_thread() is not threading.main_thread():
        raise ConfinementUnavailableError("a box is started from the main thread: it ends with its thread")
    needs.check(confinement)
    reading, writing = os.pipe2(os.O_CLOEXEC)
    async with AsyncExitStack() as tidy:
        status = tidy.enter_context(os.fdopen(reading, "rb", buffering=0))
        with contextlib.ExitStack() as opened:
            opened.callback(os.close, writing)
            made = plan(command, confinement, writing, opened, tidy)
            if made.hosts:
                egress = await listen(made.hosts, made.folder, made.user)
                tidy.push_async_callback(egress.close)
            child = await spawn(made, line_bytes)
        box = Box(child, made.cgroups, confinement.cpu_seconds, tidy.pop_all())
    try:
        said = await _said(status)
    except BaseException:
        await box.stop(0)
        raise
    if said != ENTERED:
        raise await _failure(box, said, command)
    return box


async def _said(status: io.FileIO) -> str:
    """Return what the launcher said until it ended or became the program; or that it took too long."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), status)
    try:
        async with asyncio.timeout(START_SECONDS):
            return (await reader.read()).decode("utf-8", "replace")
    except TimeoutError:
        return f"it did not start within {START_SECONDS:.0f} s"
    finally:
        transport.close()


async def _failure(box: Box, said: str, command: Command) -> Exception:
    """Return why a box was not entered, from what its launcher or bubblewrap complained."""
    await box.stop(0)
    complaint = (await box.stderr.read(STATUS_BYTES)).decode("utf-8", "replace")
    if said.startswith(ENTERED):
        return CommandRefusedError(f"{command.executable} cannot be executed: {said.removeprefix(ENTERED)}")
    why = " ".join((said or complaint or "the launcher ended without a word").split())
    hint = f"; {USER_NAMESPACES}" if any(word in why for word in ("namespace", "uid map")) else ""
    return ConfinementUnavailableError(f"the box could not be made: {why}{hint}")
