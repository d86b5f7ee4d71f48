"""What a box without namespaces of its own needs instead: a folder of its own, and who else counts as it."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from pathlib import Path
from typing import Final

PREFIX: Final = "mcp_guard-"
FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def make_folder(user: int, group: int) -> str:
    """Make an empty folder that only the user can enter, and return its path without links."""
    path = os.path.realpath(tempfile.mkdtemp(prefix=PREFIX))
    os.chown(path, user, group)
    return path


def remove_folder(path: str) -> None:
    """Remove a folder and what a server left in it; links are not followed.

    However deep folders lie in one another, and whatever right was taken from them: each is moved up before
    it is looked into. What cannot be removed is left.
    """
    with contextlib.suppress(OSError):
        top = os.open(path, FOLDER)
        try:
            while _lift_all(top):
                pass
        finally:
            os.close(top)
        Path(path).rmdir()


def _lift_all(top: int) -> int:
    """Remove what is in a folder but the folders in its folders, and return how many of those it has now."""
    lifted = 0
    for name, is_folder in _entries(top):
        with contextlib.suppress(OSError):
            if is_folder:
                lifted += _lift(top, name)
                os.rmdir(name, dir_fd=top)
            else:
                os.unlink(name, dir_fd=top)
    return lifted


def _lift(top: int, name: str) -> int:
    if os.geteuid():  # root needs no right, and changes no mode
        os.chmod(name, 0o700, dir_fd=top)
    folder, lifted = os.open(name, FOLDER, dir_fd=top), 0
    try:
        for inner, is_folder in _entries(folder):
            if is_folder:
                os.rename(inner, f"{PREFIX}{secrets.token_hex(8)}", src_dir_fd=folder, dst_dir_fd=top)
                lifted += 1
            else:
                os.unlink(inner, dir_fd=folder)
    finally:
        os.close(folder)
    return lifted


def _entries(folder: int) -> list[tuple[str, bool]]:
    with os.scandir(folder) as found:
        return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]


def threads_of(user: int) -> int:
    """Return how many threads of a user there are; the kernel counts them all against its limit."""
    return sum(_threads(entry, user) for entry in Path("/proc").iterdir() if entry.name.isdecimal())


def _threads(process: Path, user: int) -> int:
    try:
        if process.stat().st_uid != user:
            return 0
        return sum(1 for _ in (process / "task").iterdir())
    except OSError:
        return 0
