"""What the process of a registered command may do, as a value."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MIB: Final = 1024 * 1024
MOST_HOSTS: Final = 32
MOST_PATHS: Final = 32
LEAST: Final = {
    "memory_bytes": 32 * MIB,
    "cpu_seconds": 1,
    "cpu_percent": 1,
    "processes": 4,
    "open_files": 16,
    "file_bytes": 0,
    "tmp_bytes": 1 * MIB,
}
"""The least that each limit may be; a Python program does not start with less."""

NEVER_SHOWN: Final = ("/", "/proc", "/sys", "/dev", "/run", "/var/run", "/etc", "/boot", "/usr", "/tmp")  # noqa: S108
"""Folders that are never shown or writable as a whole; the box has its own, or none."""

OF_THE_KERNEL: Final = ("/proc", "/sys", "/dev")
"""Folders of which no part is shown: the box has its own, or none."""

_HOST = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?(?:\.[a-z0-9-]{1,63})*|\[[0-9a-f:.]+\]):([0-9]{1,5})"
)


class Level(StrEnum):
    """How a process is confined: what has to be there. None becomes a weaker one by itself."""

    REQUIRED = "required"
    """Namespaces, a filter of system calls, limits, and Landlock where the kernel has it."""

    LANDLOCK = "landlock"
    """Landlock, a filter of system calls and limits, for machines that forbid user namespaces."""

    UNCONFINED = "unconfined"
    """Limits alone."""


class ConfinementUnavailableError(Exception):
    """This machine cannot confine a process as required; the text says why and what would help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confinement:
    """What one box may do.

    Attributes:
        level: what has to be there.
        memory_bytes: memory of the whole box where cgroups can be written, of each process elsewhere.
        cpu_seconds: processor time of each process in its life.
        cpu_percent: share of one processor in each tenth of a second; 200 are two. Needs a cgroup.
        processes: processes and threads of the box.
        open_files: open descriptors of each process.
        file_bytes: length of each file that is written.
        tmp_bytes: size of the private ``/tmp``.
        writable: absolute paths that can be read and written; they are the same inside and outside.
        readable: absolute paths that can be read besides the system and the working folder.
        hosts: what can be connected to, as ``name:port``; empty for no network.
        kill: whether a forbidden system call ends the process, and is reported, instead of failing.
        run_as: user and group by number; needed by a portal that runs as root.
    """

    level: Level = Level.REQUIRED
    memory_bytes: int = 512 * MIB
    cpu_seconds: int = 600
    cpu_percent: int = 100
    processes: int = 64
    open_files: int = 256
    file_bytes: int = 256 * MIB
    tmp_bytes: int = 64 * MIB
    writable: tuple[str, ...] = ()
    readable: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    kill: bool = False
    run_as: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """Refuse values that mean nothing.

        Raises:
            ValueError: beginning with the name of the field.
        """
        for name, least in LEAST.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name}: at least {least}")
        for name in ("writable", "readable"):
            _check_paths(name, getattr(self, name))
        _check_nesting(self.writable, self.readable)
        _check_hosts(self.hosts)
        if self.run_as is not None and min(self.run_as) < 1:
            raise ValueError("run_as: neither the user nor the group may be root's")


def covers(folder: str, path: str) -> bool:
    """Whether a path is a folder or lies below it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _check_paths(name: str, paths: tuple[str, ...]) -> None:
    if len(paths) > MOST_PATHS:
        raise ValueError(f"{name}: at most {MOST_PATHS} paths")
    for path in paths:
        if not path.startswith("/") or os.path.normpath(path) != path or not path.isprintable():
            raise ValueError(f"{name}: {path!r} is not an absolute path in its plain form")
        if path in NEVER_SHOWN:
            raise ValueError(f"{name}: {path} is too much; name a folder below it")
        if any(covers(root, path) for root in OF_THE_KERNEL):
            raise ValueError(f"{name}: {path} belongs to the kernel")


def _check_nesting(writable: tuple[str, ...], readable: tuple[str, ...]) -> None:
    """Refuse paths below a writable one: a server could put a link in the place of the inner one."""
    for outer in writable:
        for inner in (*writable, *readable):
            if inner != outer and covers(outer, inner):
                raise ValueError(f"writable: {inner} lies below {outer}, which is writable already")


def _check_hosts(hosts: tuple[str, ...]) -> None:
    if len(hosts) > MOST_HOSTS:
        raise ValueError(f"hosts: at most {MOST_HOSTS}")
    for host in hosts:
        found = _HOST.fullmatch(host)
        if not found or not 0 < int(found[1]) < 65536:
            raise ValueError(
                f"hosts: {host!r} is not a name in lower case and a port, such as api.example.com:443"
            )
