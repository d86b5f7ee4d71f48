"""The program that runs a script: what the first line of a file names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

FIRST_LINE: Final = 256
"""How much of a file the kernel looks at, in bytes (``BINPRM_BUF_SIZE``)."""

MOST: Final = 4
"""How many programs may run one another, each being a script; the kernel takes no more."""


def interpreters(program: str) -> list[str]:
    """Return the programs that run a file, the first one first, as the first lines name them.

    Empty for a file that is no script, or that cannot be read: the kernel would not run that as a script.
    """
    found: list[str] = []
    while len(found) < MOST and (named := _named(found[-1] if found else program)):
        found.append(named)
    return found


def _named(path: str) -> str:
    """Return what the first line of a file names; a pipe or a device is not opened, nor waited for."""
    try:
        if not Path(path).is_file():
            return ""
        with open(path, "rb", opener=_without_waiting) as file:
            start = file.read(FIRST_LINE)
    except (OSError, ValueError):  # a NUL in it
        return ""
    words = start.partition(b"\n")[0][2:].split(maxsplit=1) if start.startswith(b"#!") else []
    return words[0].decode("utf-8", "surrogateescape") if words else ""


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)
