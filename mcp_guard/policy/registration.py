"""A registered MCP server: the command that runs, what its process may do, what an approval covers."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from typing import Any, Final


class Level(Enum):
    """How a registered server is confined, the strictest first."""

    REQUIRED = "required"
    """Namespaces of its own, a filter of system calls, and Landlock where the kernel has it."""

    LANDLOCK = "landlock"
    """Limits, a filter of system calls and Landlock alone, where user namespaces are forbidden."""

    UNCONFINED = "unconfined"
    """Nothing keeps it from what the portal's own user may do."""

    def is_looser_than(self, other: Level) -> bool:
        """Return whether less is contained than at another level."""
        order = list(Level)
        return order.index(self) > order.index(other)


@dataclass(frozen=True, slots=True)
class Registration:
    """What an administrator registered under a name. Nothing of a request is in it, nor ever gets into it.

    ``environment`` holds ``NAME=env:VARIABLE`` and ``NAME=file:/path``, no values. Sizes are in MiB,
    ``cpu_percent`` is of one processor. ``hosts`` are ``host:port``; empty is no network. ``run_as`` is the
    name of a user of the machine, empty for the portal's own. ``shared`` is one process for all
    principals, else each has its own; it ends after ``idle_seconds`` without use.
    """

    name: str
    executable: str
    arguments: tuple[str, ...] = ()
    folder: str = "/"
    environment: tuple[str, ...] = ()
    level: Level = Level.REQUIRED
    memory_mb: int = 256
    cpu_percent: int = 50
    cpu_seconds: int = 3600
    processes: int = 32
    open_files: int = 256
    file_mb: int = 64
    tmp_mb: int = 64
    writable: tuple[str, ...] = ()
    readable: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    kill: bool = False
    run_as: str = ""
    shared: bool = False
    idle_seconds: int = 300

    def asked(self) -> dict[str, Any]:
        """Return what an approval is asked for, as JSON values: all but the name and the idle stop."""
        found: dict[str, Any] = {}
        for name in COVERED:
            value = getattr(self, name)
            found[name] = list(value) if isinstance(value, tuple) else value
        return found | {"level": self.level.value}


COVERED: Final = tuple(
    field.name for field in fields(Registration) if field.name not in ("name", "idle_seconds")
)
"""The fields that an approval covers."""

_MOST: Final = ("memory_mb", "cpu_percent", "cpu_seconds", "processes", "open_files", "file_mb", "tmp_mb")


def beyond(asked: dict[str, Any], granted: dict[str, Any]) -> list[str]:
    """Return the fields in which more is asked for than was granted; empty when all of it is covered.

    What makes another command of it has to be the same; of what confines it, less is covered by more.
    """
    return [name for name in COVERED if not _is_covered(name, asked[name], granted.get(name))]


def _is_covered(name: str, asked: Any, granted: Any) -> bool:
    if granted is None:
        return False
    if name in _MOST:
        return bool(asked <= granted)
    match name:
        case "level":
            return not Level(asked).is_looser_than(Level(granted))
        case "writable" | "readable":
            return all(any(is_within(path, root) for root in granted) for path in asked)
        case "hosts":
            return set(asked) <= set(granted)
        case "kill":
            return bool(asked or not granted)
        case "shared":
            return bool(granted or not asked)
        case _:
            return bool(asked == granted)


def is_within(path: str, root: str) -> bool:
    """Return whether a path is a folder or lies in it; both are absolute and in their plain form."""
    return path == root or path.startswith(root.rstrip("/") + "/")
