"""A registered command, and whether its program can be trusted to be the one that was registered."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mcp_guard.sandbox.confinement import OF_THE_KERNEL, covers
from mcp_guard.sandbox.script import interpreters

MOST_LINKS: Final = 16
OTHERS_MAY_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


class CommandRefusedError(Exception):
    """A command is not started; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Command:
    """What is started; nothing of it comes from a request.

    Attributes:
        executable: absolute path of a program.
        arguments: what follows the program's name.
        folder: absolute path of the folder that it works in.
        environment: what it finds there besides ``PATH``, ``HOME``, ``TMPDIR``, ``LANG``. Values may be
            secrets: they are neither shown by ``repr`` nor ever part of a command line.
    """

    executable: str
    arguments: tuple[str, ...] = ()
    folder: str = "/"
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


def resolve(executable: str) -> str:
    """Return where the file of a program really is, with all links followed.

    The program, every folder above it and every link on the way have to belong to root or to the user of this
    process, and nobody else may write to them; a folder such as ``/tmp``, in which everybody may write but
    remove only what is his, is let pass. Of a script the same is asked of what its first line names.

    Raises:
        CommandRefusedError: when the path is not absolute, not a file that can be executed, or somebody else
            could put another program in its place.
    """
    real = _checked(executable)
    for interpreter in interpreters(real):
        try:
            _checked(interpreter)
        except CommandRefusedError as error:
            raise CommandRefusedError(
                f"{executable} is a script, and what runs it is refused: {error}"
            ) from None
    return real


def _checked(executable: str) -> str:
    """Return where the file of a program really is, checked apart from what runs it."""
    if not executable.startswith("/") or os.path.normpath(executable) != executable or "\0" in executable:
        raise CommandRefusedError(f"{executable!r} is not an absolute path in its plain form")
    try:
        real = _followed(executable)
        status = Path(real).stat()
    except OSError as error:
        raise CommandRefusedError(f"{executable}: {error.strerror}") from None
    if not stat.S_ISREG(status.st_mode):
        raise CommandRefusedError(f"{executable} is not a file")
    if not status.st_mode & 0o111:
        raise CommandRefusedError(f"{executable} cannot be executed")
    return real


def check_folder(folder: str) -> None:
    """Check that a working folder is there, under its own name, and none of the kernel's: a box shows it.

    Raises:
        CommandRefusedError: when it is not absolute, no folder, one of the kernel, or reached by a link.
    """
    if not folder.startswith("/") or os.path.normpath(folder) != folder or "\0" in folder:
        raise CommandRefusedError(f"{folder!r} is not an absolute path in its plain form")
    if any(covers(root, folder) for root in OF_THE_KERNEL):
        raise CommandRefusedError(f"{folder} belongs to the kernel")
    if not Path(folder).is_dir():
        raise CommandRefusedError(f"{folder} is not a folder")
    if os.path.realpath(folder) != folder:
        raise CommandRefusedError(f"{folder} is reached by a link; name {os.path.realpath(folder)}")


def _followed(path: str) -> str:
    """Return a path without links, each of which was checked like the folders that lead to it."""
    for _ in range(MOST_LINKS):
        for part in reversed((Path(path), *Path(path).parents)):
            _check_owner(part)
            if part.is_symlink():
                target = part.parent / part.readlink() / Path(path).relative_to(part)
                path = os.path.normpath(target)
                break
        else:
            return path
    raise CommandRefusedError(f"{path} is reached by more than {MOST_LINKS} links")


def _check_owner(part: Path) -> None:
    """Check that only root and this user can change what a part of a path is."""
    status = part.lstat()
    if status.st_uid not in (0, os.geteuid()):
        raise CommandRefusedError(
            f"{part} belongs to user {status.st_uid}: it has to be root's or this user's"
        )
    sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    if not stat.S_ISLNK(status.st_mode) and status.st_mode & OTHERS_MAY_WRITE and not sticky:
        raise CommandRefusedError(f"others may write to {part}: take group's and others' right away")
