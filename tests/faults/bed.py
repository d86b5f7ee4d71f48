"""The site under test: a database, some workers that serve, and a writer in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.faults.process import ROOT, Child, accepts
from tests.ports import free_port

START_SECONDS: Final = 60.0
APPLICATION: Final = "tests.faults.site.asgi:application"
SERVERS: Final = {
    "daphne": ("daphne", "-v", "0", "-b", "127.0.0.1", "-p", "{port}", APPLICATION),
    "uvicorn": ("uvicorn", "--log-level", "warning", "--host", "127.0.0.1", "--port", "{port}", APPLICATION),
    "gunicorn": (
        "gunicorn", "--preload", "--workers", "2", "--worker-class", "uvicorn.workers.UvicornWorker",
        "--graceful-timeout", "2", "--bind", "127.0.0.1:{port}", APPLICATION,
    ),
    "loops": ("tests.faults.site.loops", "{port}"),
}  # fmt: skip
"""How each server is started, after ``python -m``."""


class Done(NamedTuple):
    """What an order returned, when its transaction was committed and when it returned."""

    result: Any
    committed: float
    returned: float


class OrderFailed(RuntimeError):
    """The writer raised; the text says what."""


class Worker(NamedTuple):
    """A process that serves."""

    child: Child
    port: int


class Writer:
    """The process that changes policy; it carries out one order after the other."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._lock = asyncio.Lock()

    async def do(self, order: str, **arguments: Any) -> Done:
        """Have an order of ``site.policy`` carried out.

        Raises:
            OrderFailed: when it raised.
        """
        reader, writer = self._process.stdout, self._process.stdin
        assert reader is not None
        assert writer is not None
        async with self._lock:
            writer.write(json.dumps([order, arguments]).encode() + b"\n")
            line = await reader.readline()
        if not line:
            raise OrderFailed(f"{order}: the writer has ended")
        answer = json.loads(line)
        if "error" in answer:
            raise OrderFailed(f"{order}: {answer['error']}")
        return Done(answer["result"], answer.get("committed", 0.0), answer.get("returned", 0.0))

    async def ask(self, order: str, **arguments: Any) -> Any:
        """Do as ``do`` and return the result alone."""
        return (await self.do(order, **arguments)).result


@dataclass
class Bed:
    """What a fault happens to. ``environment`` is what the processes share."""

    folder: Path
    environment: dict[str, str]
    stack: AsyncExitStack
    workers: list[Worker] = field(default_factory=list)

    @property
    def ports(self) -> list[int]:
        """The ports of the workers."""
        return [worker.port for worker in self.workers]

    async def add_worker(self, server: str = "daphne", **environment: str) -> Worker:
        """Start one more worker, with some variables of its own."""
        port = free_port()
        command = [sys.executable, "-m", *(part.format(port=port) for part in SERVERS[server])]
        log = self.folder / f"worker{len(self.workers)}.log"
        child = Child(command, log, environment=self.environment | environment)
        self.stack.callback(child.stop)
        await asyncio.to_thread(child.wait_until, lambda: accepts(port), START_SECONDS)
        worker = Worker(child, port)
        self.workers.append(worker)
        return worker

    async def add_writer(self, **environment: str) -> Writer:
        """Start one more writer, with some variables of its own."""
        with (self.folder / "writer.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.faults.site.writer",
                cwd=ROOT, env={**os.environ, **self.environment, **environment}, limit=2**26,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log,
            )  # fmt: skip
        self.stack.push_async_callback(_end, process)
        return Writer(process)

    def logs(self) -> str:
        """Return all that the processes wrote."""
        return "\n".join(file.read_text("utf-8", "replace") for file in sorted(self.folder.glob("*.log")))


@asynccontextmanager
async def bed(
    database: str,
    *,
    redis: str = "",
    guard: Mapping[str, Any] | None = None,
    servers: Sequence[str] = ("daphne", "daphne"),
) -> AsyncIterator[tuple[Bed, Writer]]:
    """Set the site up on a database: migrated, with the client ``partner``, served and written to."""
    environment = {
        "DATABASE_URL": database,
        "REDIS_URL": redis,
        "FAULTS_GUARD": json.dumps(dict(guard or {})),
        "DJANGO_SETTINGS_MODULE": "tests.faults.site.settings",
    }
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mcp_guard-bed-")))
        made = Bed(folder, environment, stack)
        writer = await made.add_writer()
        await writer.do("migrate")
        counter = Path(await writer.ask("counter"))
        stack.callback(counter.unlink, missing_ok=True)
        await writer.do("client", name="partner")
        for server in servers:
            await made.add_worker(server)
        try:
            yield made, writer
        except Exception as error:
            error.add_note(f"The processes wrote last:\n{made.logs()[-4000:]}")
            raise


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a writer by closing its orders; one that hangs is killed."""
    if process.returncode is not None:
        return
    assert process.stdin is not None
    process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), 5)
    except TimeoutError:
        process.kill()
        await process.wait()
