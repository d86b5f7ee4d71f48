"""The demo site under a real server, with registered servers in its database, and clients of it."""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from project.tour.websocket import websocket_transport
from tests.child import ROOT, SERVERS, serving
from tests.ports import free_port

SECONDS = 20
PYTHON = next(path for path in ("/usr/bin/python3", os.path.realpath(sys.executable)) if Path(path).exists())
"""An interpreter that every user may read, and only root may write: those of a home are not."""

USER = {"run_as": "nobody"} if os.geteuid() == 0 else {}


@cache
def program() -> str:
    """Return the path of the small server, where every user of this machine may read it."""
    folder = Path(tempfile.mkdtemp(prefix="mcp_guard-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    copy = folder / "small.py"
    copy.write_text(Path(__file__).with_name("small.py").read_text())
    copy.chmod(0o644)
    return str(copy)


def small(name: str, *arguments: str, **values: Any) -> dict[str, Any]:
    """Return the values of a row that runs the small server, wherever the tests lie."""
    level = {"level": "unconfined"}
    command = {"executable": PYTHON, "arguments": ["-I", program(), *arguments], "folder": "/"}
    return {"name": name, **command, **level, **USER, **values}


@dataclass
class Served:
    """A site that runs, its tokens and its files."""

    process: subprocess.Popen[bytes]
    port: int
    tokens: Mapping[str, str]
    environment: Mapping[str, str]
    log: Path

    @asynccontextmanager
    async def client(self, door: str, mode: str = "auto", who: str = "ann", **options: Any):
        """Yield the SDK's client at a door: ``/servers/<name>/mcp`` or ``/ws/servers/<name>``."""
        headers = {"Authorization": f"Bearer {self.tokens[who]}"}
        options = {"read_timeout_seconds": SECONDS, **options}
        if door.startswith("/ws/"):
            transport = websocket_transport(f"ws://127.0.0.1:{self.port}{door}", headers=headers)
            async with Client(transport, mode=mode, **options) as client:
                yield client
            return
        async with httpx2.AsyncClient(headers=headers, timeout=SECONDS) as http:
            transport = streamable_http_client(f"http://127.0.0.1:{self.port}{door}", http_client=http)
            async with Client(transport, mode=mode, **options) as client:
                yield client

    def change(self, name: str, **values: Any) -> None:
        """Change a row, as another process does."""
        run("set", name, json.dumps(values), environment=self.environment)


async def result(client: Client, tool: str, **arguments: Any) -> Any:
    """Return what a tool says."""
    return (await client.call_tool(tool, arguments)).structured_content["result"]


async def until(found: Any) -> Any:
    """Return the first true value of a function, within a bound."""
    async with asyncio.timeout(SECONDS):
        while not (value := found()):  # noqa: ASYNC110 (what is waited for is in another process)
            await asyncio.sleep(0.02)
        return value


def run(*arguments: str, environment: Mapping[str, str], stdin: str = "") -> str:
    """Return what the module of rows prints."""
    command = [sys.executable, "-m", "tests.servers.site.rows", *arguments]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def served(server: str, directory: Path, rows: Sequence[Mapping[str, Any]], **more: str) -> Iterator[Served]:
    """Run the demo site under ``daphne`` or ``uvicorn`` with a database of its own."""
    environment = {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{directory / 'site.sqlite3'}",
        "DJANGO_SETTINGS_MODULE": "tests.servers.site.settings",
        "SECRET_KEY": "tests only",
        "ALLOWED_HOSTS": "127.0.0.1",
        **more,
    }
    tokens = json.loads(run("add", environment=environment, stdin=json.dumps(list(rows))))
    port, log = free_port(), directory / "log"
    arguments = (*SERVERS[server], str(port), "project.asgi:application")
    with serving(*arguments, port=port, log=log, environment=environment) as process:
        yield Served(process, port, tokens, environment, log)
