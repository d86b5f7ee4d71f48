"""What of the file system a box sees: the system, what its program is made of, and what was registered."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mcp_guard.sandbox.command import Command, CommandRefusedError, check_folder, resolve
from mcp_guard.sandbox.confinement import NEVER_SHOWN, Confinement, Level, covers
from mcp_guard.sandbox.interpreter import Interpreter
from mcp_guard.sandbox.script import interpreters

SYSTEM: Final = "/usr"
LINKED: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""Folders of the root that lead into ``/usr``, or are folders of their own on older systems."""

SETTINGS: Final = tuple(
    f"/etc/{name}"
    for name in (
        "ld.so.cache", "alternatives", "localtime", "nsswitch.conf", "mime.types",
        "ssl/certs", "ssl/openssl.cnf",
        "pki/tls/certs", "pki/ca-trust/extracted",
    )
)  # fmt: skip
"""What programs need to know of the machine; nothing in it is secret."""

PRIVATE: Final = "/tmp"  # noqa: S108 (the box's own)
SMALL: Final = ("/run", "/dev/shm")  # noqa: S108 (the box's own)


@dataclass(frozen=True, slots=True)
class View:
    """Paths beside the system that a box sees, the same in it as outside, and where its program really is."""

    program: str
    readable: tuple[str, ...]
    writable: tuple[str, ...]


def view(command: Command, confinement: Confinement, python: Interpreter | None) -> View:
    """Check a command and everything that was registered for it, and return what its box sees.

    Raises:
        CommandRefusedError: when the program or a path cannot be used.
    """
    program = resolve(command.executable)
    check_folder(command.folder)
    for path in (*confinement.readable, *confinement.writable):
        _check_path(path)
    if any(covers(outer, path) for outer in confinement.writable for path in (command.executable, program)):
        raise CommandRefusedError(
            f"{command.executable} could be replaced by itself: a writable path covers it"
        )
    readable = [*confinement.readable, *_not_shown(command.folder), *([python.folder] if python else [])]
    for path in (command.executable, program):
        if not any(covers(folder, path) for folder in (SYSTEM, *readable, *_linked()) if folder):
            readable.append(path)
    shown = [path for path in readable if path and not any(covers(one, path) for one in confinement.writable)]
    if confinement.level is not Level.UNCONFINED:
        _check_interpreters(program, [SYSTEM, *_linked(), *shown, *confinement.writable])
    return View(program, tuple(dict.fromkeys(shown)), confinement.writable)


def _check_interpreters(program: str, folders: list[str]) -> None:
    """Check that what runs a script is seen: otherwise the kernel says that the script is not there."""
    for interpreter in interpreters(program):
        for path in (interpreter, os.path.realpath(interpreter)):
            if not any(covers(folder, path) for folder in folders):
                leads = "" if path == interpreter else f", which leads to {path}"
                said = f"{program} is run by {interpreter}{leads}, and the box does not show that"
                raise CommandRefusedError(f"{said}: name its folder among the readable paths")


def linked_folders() -> Iterator[tuple[str, str]]:
    """Return the folders of ``LINKED`` that are here, and where each leads; empty for a real folder."""
    for name in LINKED:
        path = Path("/", name)
        if path.is_symlink():
            yield str(path), str(path.readlink())
        elif path.is_dir():
            yield str(path), ""


def _linked() -> list[str]:
    return [path for path, _ in linked_folders()]


def _not_shown(folder: str) -> list[str]:
    """Return the working folder where it has to be shown: the box has its own of those that never are."""
    return [] if folder in NEVER_SHOWN else [folder]


def _check_path(path: str) -> None:
    if not os.path.lexists(path):
        raise CommandRefusedError(f"{path} does not exist")
    if os.path.realpath(path) != path:
        raise CommandRefusedError(f"{path} is reached by a link; name {os.path.realpath(path)}")
