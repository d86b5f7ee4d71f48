"""Boxes on this machine: whom they run as, and whether there can be any."""

from __future__ import annotations

import asyncio
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any, Final

from mcp_guard.sandbox.box import start
from mcp_guard.sandbox.command import Command, CommandRefusedError
from mcp_guard.sandbox.confinement import Confinement, ConfinementUnavailableError, Level

USER: Final = 50_000 + os.getpid() % 10_000
RUN_AS: Final = (USER, USER) if os.geteuid() == 0 else None
"""A user that nothing else runs as, not even the tests beside these; root starts no box as itself, and nobody
else can start it as another."""

CONFINED: Final = (Level.REQUIRED, Level.LANDLOCK)
PYTHON: Final = "/usr/bin/python3"
NEW_ENOUGH: Final = "import sys; sys.exit(sys.version_info < (3, 11))"


def confinement(level: Level = Level.REQUIRED, **values: Any) -> Confinement:
    """Return a confinement of a test, which runs as somebody that is not root."""
    return Confinement(**{"level": level, "run_as": RUN_AS, **values})


@cache
def missing_sandbox() -> str:
    """Return why no box can be started here; empty when both levels work."""
    if not Path(PYTHON).exists() or subprocess.run([PYTHON, "-c", NEW_ENOUGH], check=False).returncode:
        return f"{PYTHON} is not Python 3.11 or later"
    try:
        for level in CONFINED:
            asyncio.run(_try(level))
    except (ConfinementUnavailableError, CommandRefusedError) as error:
        return str(error)
    return ""


async def _try(level: Level) -> None:
    box = await start(Command("/usr/bin/true"), confinement(level))
    await box.stop(5)
