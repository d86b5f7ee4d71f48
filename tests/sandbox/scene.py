"""A machine with things worth stealing, as a hostile server finds it, and one call of such a server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from mcp_guard.sandbox.box import Box, start
from mcp_guard.sandbox.command import Command
from mcp_guard.sandbox.confinement import Confinement
from mcp_guard.sandbox.ended import Ended
from tests.sandbox.machine import PYTHON, RUN_AS, confinement

HOSTILE: Final = Path(__file__).with_name("hostile.py")
SECRET: Final = "hunter2"
CALL_SECONDS: Final = 60
STOP_SECONDS: Final = 0.2
SERVICES: Final = (
    "/var/run/postgresql/.s.PGSQL.5432",
    "/var/run/redis/redis-server.sock",
    "/run/dbus/system_bus_socket",
)


class Scene(NamedTuple):
    """Folders and doors of the machine; ``own`` is the one that the server may write to."""

    root: Path
    port: int
    resolver: tuple[str, int]
    name: str

    @property
    def own(self) -> Path:
        return self.root / "own"

    @property
    def program(self) -> Path:
        return self.root / "server" / HOSTILE.name

    def command(self) -> Command:
        return Command(PYTHON, ("-B", str(self.program)), str(self.program.parent), {"API_KEY": "its own"})

    def confinement(self, **values: Any) -> Confinement:
        return confinement(**{"writable": (str(self.own),), **values})


class Outcome(NamedTuple):
    """What a server said of its attempt, None when it was ended instead, and how its box ended."""

    said: str | None
    ended: Ended


@contextlib.contextmanager
def scene() -> Iterator[Scene]:
    """Make the scene; everything in it could be read and written but for the confinement."""
    root = Path(tempfile.mkdtemp(prefix="scene-"))
    root.chmod(0o755)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, root)
        _make_files(root)
        made = Scene(root, _listen(stack), _answer(stack), f"mcp_guard-{os.getpid()}")
        for address in (str(root / "socket"), f"\0{made.name}"):
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(address)
            listener.listen()
        (root / "socket").chmod(0o777)
        yield made


async def attempt(made: Scene, tool: str, limits: Confinement, **arguments: Any) -> Outcome:
    """Start the hostile server, have it try one thing, and stop it."""
    box = await start(made.command(), limits)
    try:
        said = await asyncio.wait_for(ask(box, tool, **arguments), CALL_SECONDS)
    finally:
        ended = await box.stop(STOP_SECONDS)
    return Outcome(said, ended)


async def ask(box: Box, tool: str, **arguments: Any) -> str | None:
    """Call a tool and return what it says; None when the server ends instead."""
    params = {"name": tool, "arguments": arguments}
    box.stdin.write(
        json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode() + b"\n"
    )
    line = await box.stdout.readline()
    return json.loads(line)["result"]["content"][0]["text"] if line else None


def left_behind() -> list[str]:
    """Return the processes of the user that boxes run as; nobody else does."""
    found = []
    for entry in Path("/proc").iterdir() if RUN_AS else ():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and entry.stat().st_uid == RUN_AS[0]:
                found.append((entry / "cmdline").read_text("utf-8", "replace"))
    return [command for command in found if command]  # what has exited and waits for init has none


def _make_files(root: Path) -> None:
    for name in ("server", "own", "other", "outside"):
        (root / name).mkdir()
        (root / name).chmod(0o755 if name == "server" else 0o777)
    shutil.copyfile(HOSTILE, root / "server" / HOSTILE.name)
    (root / "server" / HOSTILE.name).chmod(0o644)
    (root / "settings.py").write_text(f"SECRET_KEY = {SECRET!r}\n")
    (root / "settings.py").chmod(0o666)
    (root / "other" / "notes").write_text(SECRET)
    (root / "other" / "notes").chmod(0o666)
    with contextlib.closing(sqlite3.connect(root / "db.sqlite3")) as database:
        database.execute("CREATE TABLE tokens (digest)")
    (root / "db.sqlite3").chmod(0o666)
    shutil.copyfile("/usr/bin/id", root / "server" / "id")
    (root / "server" / "id").chmod(0o4755)


def _listen(stack: contextlib.ExitStack) -> int:
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    return listener.getsockname()[1]


def _answer(stack: contextlib.ExitStack) -> tuple[str, int]:
    """Answer datagrams like a resolver on this machine would."""
    resolver = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    resolver.bind(("127.0.0.1", 0))
    thread = threading.Thread(target=_echo, args=(resolver,), daemon=True)
    thread.start()
    stack.callback(thread.join, 5)
    stack.callback(resolver.sendto, b"", resolver.getsockname())
    return resolver.getsockname()


def _echo(resolver: socket.socket) -> None:
    while True:
        data, sender = resolver.recvfrom(512)
        if not data:
            return
        resolver.sendto(data, sender)
