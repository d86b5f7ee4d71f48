"""Try in a real box what a confinement should stop, and say what this machine holds off and what not."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import socket
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

from mcp_guard.sandbox import needs
from mcp_guard.sandbox.box import Box, start
from mcp_guard.sandbox.command import Command
from mcp_guard.sandbox.confinement import MIB, Confinement, ConfinementUnavailableError, Level
from mcp_guard.sandbox.ended import Violation
from mcp_guard.sandbox.inside import landlock
from mcp_guard.sandbox.interpreter import interpreter
from mcp_guard.sandbox.private import make_folder, remove_folder

SECONDS: Final = 30.0
STOP_SECONDS: Final = 1.0
OPTIONS: Final = ("-I", "-S", "-B", "-c")
PROCESSES: Final = 8
WITHOUT_END: Final = 512
"""As many processes as pass for no end: a limit for each user counts what else it ran at the start, which may
have ended since."""
MEMORY: Final = 64 * MIB
TMP: Final = 2 * MIB
HOG: Final = "kept = [bytearray(b'x' * 1048576) for _ in range(256)]"
WITHOUT: Final = {
    Level.REQUIRED: frozenset[str](),
    Level.LANDLOCK: frozenset({"fill /tmp"}),
}
"""What each level does not promise to stop."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried: whether it was stopped, by what, and whether the level promises that."""

    name: str
    contained: bool
    detail: str
    promised: bool = True


async def probe(confinement: Confinement) -> list[Finding]:
    """Start boxes at the level and as the user of a confinement, and return what came of each attempt.

    What it may write and reach is left out: the probe asks what the level and the machine do.

    Raises:
        ConfinementUnavailableError: when this machine cannot confine so.
    """
    needs.check(confinement)
    user, group = needs.user_of(confinement)
    python = interpreter(user, group)
    if python is None:
        raise ConfinementUnavailableError(f"user {user} can run no Python, which the probe is written in")
    readable = (python.folder,) if python.folder else ()
    bounded = Confinement(
        level=confinement.level,
        run_as=confinement.run_as,
        readable=readable,
        memory_bytes=MEMORY,
        tmp_bytes=TMP,
        processes=PROCESSES,
    )
    found = await _attempts(python.path, bounded)
    return [*found, *await _hog(python.path, bounded), _layer()]


async def _attempts(python: str, confinement: Confinement) -> list[Finding]:
    source = resources.files("mcp_guard.sandbox.inside").joinpath("attempts.py").read_text("utf-8")
    with contextlib.ExitStack() as stack:
        told = json.dumps(_lures(stack))
        box = await start(Command(python, (*OPTIONS, source, told)), confinement)
        try:
            async with asyncio.timeout(SECONDS):
                said = await box.stdout.readline()
        finally:
            await box.stop(STOP_SECONDS)
        if not said:
            complaint = (await box.stderr.read()).decode("utf-8", "replace").strip().splitlines()
            raise ConfinementUnavailableError(f"the probe ended early: {complaint[-1:] or 'without a word'}")
    without = WITHOUT.get(confinement.level, frozenset(name for name, *_ in json.loads(said)))
    return [Finding(name, stopped, detail, name not in without) for name, stopped, detail in json.loads(said)]


def _lures(stack: contextlib.ExitStack) -> dict[str, Any]:
    """Make what the probe is to reach for: a file, a port, sockets that anybody could use but for the box."""
    folder = make_folder(os.geteuid(), os.getegid())
    stack.callback(remove_folder, folder)
    Path(folder).chmod(0o755)
    file, path, name = Path(folder, "file"), f"{folder}/socket", f"mcp_guard-{secrets.token_hex(8)}"
    file.write_text("probe", "ascii")
    file.chmod(0o666)
    for address in (path, f"\0{name}"):
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(address)
        listener.listen()
    Path(path).chmod(0o666)
    port = stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
    told: dict[str, Any] = {
        "portal": os.getpid(),
        "file": str(file),
        "port": port,
        "socket": path,
        "name": name,
    }
    return told | {"tmp": TMP, "processes": WITHOUT_END}


async def _hog(python: str, confinement: Confinement) -> list[Finding]:
    """Return what bounds memory and the share of a processor."""
    box = await start(Command(python, (*OPTIONS, HOG)), confinement)
    async with asyncio.timeout(SECONDS):
        ended = await box.wait()
    await box.stop(0)
    killed = ended.violation is Violation.MEMORY
    stopped = killed or ended.code != 0
    return [
        Finding(
            "use up memory", stopped, ended.detail if killed else "bounded for each process", promised=True
        ),
        _of_cgroup(box, "memory", "use up memory with many processes"),
        _of_cgroup(box, "cpu", "take more than its share of a processor"),
    ]


def _of_cgroup(box: Box, controller: str, name: str) -> Finding:
    there = controller in box.controllers
    detail = "by a cgroup" if there else f"this process may make no cgroup with the controller {controller}"
    return Finding(name, there, detail, promised=False)


def _layer() -> Finding:
    version = landlock.version()
    detail = f"version {version}" if version else "this kernel has none, or it is switched off"
    return Finding("reach around the file system (Landlock)", bool(version), detail, promised=False)
