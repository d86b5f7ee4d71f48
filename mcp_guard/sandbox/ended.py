"""How a box ended, and which of its bounds it broke."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SIGNALLED: Final = 128
"""What is added to the number of the signal that ended a process (as shells and bubblewrap do)."""


class Violation(StrEnum):
    """A bound that a box broke."""

    SYSCALL = "syscall"
    """It made a forbidden system call, and ``kill`` was set."""

    MEMORY = "memory"
    """It wanted more memory than it has."""

    WRITE = "write"
    """It tried to change a file outside of its writable paths, and ``kill`` was set."""

    CPU = "cpu"
    """A process used up its processor time."""

    FILE_SIZE = "file_size"
    """It wrote a file longer than it may."""

    PROCESSES = "processes"
    """It wanted more processes than it has. This does not end it."""


WROTE: Final = 160
"""The exit status of the launcher that watches in kill mode (``inside.watch``)."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What the cgroups of a box counted, 0 where there are none."""

    memory_kills: int = 0
    refused_forks: int = 0
    cpu_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a box: its exit status (128 and the signal's number when a signal ended it), and why."""

    code: int
    violation: Violation | None
    detail: str


def classify(code: int, usage: Usage, *, cpu_seconds: int, stopped: bool) -> Ended:
    """Return what an exit status means.

    A signal that somebody else sent looks like the kernel's, so a status alone is never taken for more than
    the signals that the kernel sends for it.

    Args:
        code: the exit status, negative for a signal as ``subprocess`` has it.
        usage: what the cgroups counted.
        cpu_seconds: what each process had.
        stopped: whether the box was killed on purpose.
    """
    status = SIGNALLED - code if code < 0 else code
    violation, detail = _of_signal(status), f"ended with status {status}"
    if usage.memory_kills:
        violation = Violation.MEMORY
    elif status == SIGNALLED + signal.SIGKILL and not stopped and usage.cpu_seconds >= cpu_seconds:
        violation = Violation.CPU
    elif violation is None and usage.refused_forks:
        violation = Violation.PROCESSES
    if violation is not None:
        detail = _DETAILS[violation].format(seconds=cpu_seconds, forks=usage.refused_forks)
    elif stopped:
        detail = "it was stopped"
    return Ended(status, violation, detail)


_DETAILS: Final = {
    Violation.SYSCALL: "it was killed for a forbidden system call",
    Violation.WRITE: "it was killed because it tried to change a file outside of its writable paths",
    Violation.MEMORY: "the kernel killed it, or a process of it, because its memory was used up",
    Violation.CPU: "it was killed because a process of it ran longer than {seconds} s",
    Violation.FILE_SIZE: "it was killed because it wrote a file longer than it may",
    Violation.PROCESSES: "{forks} times it was refused another process",
}


def _of_signal(status: int) -> Violation | None:
    return {
        WROTE: Violation.WRITE,
        SIGNALLED + signal.SIGSYS: Violation.SYSCALL,
        SIGNALLED + signal.SIGXCPU: Violation.CPU,
        SIGNALLED + signal.SIGXFSZ: Violation.FILE_SIZE,
    }.get(status)
