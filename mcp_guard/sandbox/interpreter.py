"""Which Python runs the launcher inside of a box: one that the user of the box can reach."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SYSTEM: Final = "/usr"
SYSTEM_PYTHON: Final = "/usr/bin/python3"
OLDEST: Final = (3, 9)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python, and the folder that the box has to show besides the system for it; empty for none."""

    path: str
    folder: str = ""


def interpreter(user: int, group: int) -> Interpreter | None:
    """Return a Python of the system or the one of this process; None when the user can reach neither."""
    return next((one for one in _candidates() if _reachable(one.path, user, group)), None)


def _candidates() -> Iterator[Interpreter]:
    own = os.path.realpath(sys.executable) if sys.executable else ""
    if own.startswith(f"{SYSTEM}/"):
        yield Interpreter(own)
    system = os.path.realpath(SYSTEM_PYTHON)
    found = re.search(r"python([0-9]+)\.([0-9]+)$", system)
    if found and (int(found[1]), int(found[2])) >= OLDEST and Path(system).exists():
        yield Interpreter(system)
    if own and not own.startswith(f"{SYSTEM}/"):
        yield Interpreter(own, os.path.realpath(sys.base_prefix))


def _reachable(path: str, user: int, group: int) -> bool:
    """Whether the bits of a file and of all folders above it let the user execute it."""
    for part in (Path(path), *Path(path).parents):
        status = part.stat()
        bits = stat.S_IXUSR if status.st_uid == user else stat.S_IXOTH
        if status.st_uid != user and status.st_gid == group:
            bits = stat.S_IXGRP
        if not status.st_mode & bits:
            return False
    return True
