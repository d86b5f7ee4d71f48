"""What the launcher is told to do, as it reads it."""

from __future__ import annotations

import marshal
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from mcp_guard.sandbox.filesystem import PRIVATE, SETTINGS, SMALL, SYSTEM, View, linked_folders

FORMAT: Final = 2
"""Of ``marshal``: the last one without references, unchanged since Python 2.5."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """Steps of the launcher, in the order in which it takes them; see ``inside.launch``.

    Attributes:
        status: descriptor of the pipe that failures are written to.
        keep: descriptors that the executed program inherits besides its streams.
        cgroups: files to write 0 into.
        user: user and group to become.
        limits: names of ``resource`` with soft and hard limit.
        folder: where to work.
        forward: port on the loopback interface, and the Unix socket that it leads to.
        landlock: paths by access, and ports.
        watch: what is watched in kill mode: calls with their arguments, and paths.
        filter: the filter of system calls in hexadecimal digits.
        argv: what is executed.
        environment: all of its environment.
        last: whether that is the registered program.
        alone: whether it has to be told to end with the portal, because nothing around it does.
    """

    status: int
    argv: list[str]
    environment: dict[str, str] = field(default_factory=dict, repr=False)
    keep: list[int] = field(default_factory=list)
    cgroups: list[str] = field(default_factory=list)
    user: tuple[int, int] | None = None
    limits: dict[str, tuple[int, int]] = field(default_factory=dict)
    folder: str = "/"
    forward: dict[str, Any] | None = None
    landlock: dict[str, Any] | None = None
    watch: dict[str, Any] | None = None
    filter: str = ""
    last: bool = True
    alone: bool = False

    def encoded(self) -> bytes:
        """Return them as the launcher reads them, in a form that every version of Python knows."""
        return marshal.dumps(asdict(self), FORMAT)


def paths_in_namespaces(view: View) -> dict[str, list[str]]:
    """Return what Landlock lets a box with a file system of its own reach: all that is there, by its kind."""
    return {
        "read": [*_system(), "/proc", *view.readable],
        "write": [PRIVATE, *SMALL, *view.writable],
        "device": ["/dev"],
    }


def paths_of_machine(view: View, private: str) -> dict[str, list[str]]:
    """Return what Landlock lets a process reach that sees the file system of the machine."""
    return {
        "read": [*_system(), "/proc/self", *view.readable],
        "write": [private, *view.writable],
        "device": ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"],
    }


def _system() -> list[str]:
    return [
        SYSTEM,
        *(path for path, _ in linked_folders()),
        *SETTINGS,
        "/etc/passwd",
        "/etc/group",
        "/etc/hosts",
    ]
