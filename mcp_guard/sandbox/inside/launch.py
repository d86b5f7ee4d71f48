"""The program that becomes the registered one: step by step it confines itself, and then executes it.

It runs with what the portal has and ends with what the box has: cgroups are joined and the user is changed
outside of the namespaces; limits, Landlock and the filter of system calls are set inside. A step that fails
ends it; the program is executed only behind all of them.
"""

from __future__ import annotations

import ctypes
import marshal
import os
import resource

from mcp_guard.sandbox.inside import forward, landlock, watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final, NoReturn

PR_SET_PDEATHSIG: Final = 1
PR_SET_SECCOMP: Final = 22
PR_SET_NO_NEW_PRIVS: Final = 38
SECCOMP_MODE_FILTER: Final = 2
SECCOMP: Final = {"x86_64": 317, "aarch64": 277, "riscv64": 277}
SET_MODE_FILTER: Final = 1
NEW_LISTENER: Final = 1 << 3
BYTES_OF_AN_INSTRUCTION: Final = 8
SIGKILL: Final = 9
SIG_SETMASK: Final = 2
SIGNALS: Final = 64
BYTES_OF_A_SIGNAL_SET: Final = 128
STANDARD_STREAMS: Final = (0, 1, 2)
ENTERED: Final = "entered\n"
"""What the status pipe says when all steps are taken and the program is about to be executed."""

NOT_STARTED: Final = 125
"""The exit status when a step failed; what failed was written to the status pipe before."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def main(descriptor: int) -> NoReturn:
    """Read the steps from a descriptor, and take them."""
    with open(descriptor, "rb") as file:
        steps = marshal.load(file)  # noqa: S302 (from a descriptor that the portal alone has written to)
    try:
        take(steps)
        execute(steps)
    except OSError as error:
        named = f" ({error.filename})" if error.filename else ""
        _say(steps, f"{error.strerror or error}{named}")
        os._exit(NOT_STARTED)


def take(steps: dict[str, Any]) -> None:
    """Take every step but the last: descriptors, cgroups, user, limits, folder, way out, Landlock, filter.

    Raises:
        OSError: when the kernel refuses one.
    """
    _close_all_but({*STANDARD_STREAMS, *steps["keep"], steps["status"]})
    for name in steps["cgroups"]:
        _write(name, "0")
    if steps["user"]:
        become(*steps["user"])
    if steps["alone"]:
        _prctl(PR_SET_PDEATHSIG, SIGKILL)
    watcher = watch.fork(steps) if steps["watch"] else None
    if watcher:
        _prctl(PR_SET_PDEATHSIG, SIGKILL)  # of the watcher, which ends with the portal
    for name, value in steps["limits"].items():
        resource.setrlimit(getattr(resource, name), tuple(value))
    os.umask(0o077)
    os.chdir(steps["folder"])
    if steps["forward"]:
        forward.start(steps["forward"]["port"], steps["forward"]["socket"])
    if steps["landlock"]:
        _prctl(PR_SET_NO_NEW_PRIVS, 1)
        landlock.restrict(steps["landlock"]["paths"], steps["landlock"]["ports"])
    if steps["filter"]:
        _prctl(PR_SET_NO_NEW_PRIVS, 1)
        _filter(bytes.fromhex(steps["filter"]), watcher)


def execute(steps: dict[str, Any]) -> NoReturn:
    """Become the program, with the signals that a new process is used to.

    Raises:
        OSError: when it cannot be executed.
    """
    if steps["last"]:
        _forget_signals()
        os.set_inheritable(steps["status"], False)
        _say(steps, ENTERED)
    os.execve(steps["argv"][0], steps["argv"], steps["environment"])  # noqa: S606 (no shell is the point)


def become(user: int, group: int) -> None:
    """Change user and group for good, without any other group.

    Raises:
        OSError: when this process may not.
    """
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)


def _forget_signals() -> None:
    """Let every signal do what it does by default: Python ignores some, and a parent may have blocked any."""
    libc = ctypes.CDLL(None)
    for number in range(1, SIGNALS + 1):
        libc.signal(number, None)
    libc.sigprocmask(SIG_SETMASK, bytes(BYTES_OF_A_SIGNAL_SET), None)


def _filter(program: bytes, watcher: watch.Watch | None) -> None:
    """Load a filter of system calls in classic BPF, and hand over where its questions arrive (seccomp(2))."""
    loaded = _Program(len(program) // BYTES_OF_AN_INSTRUCTION, program)
    if watcher is None:
        _prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(loaded))
        return
    number = SECCOMP.get(os.uname().machine, -1)
    arguments = (ctypes.c_long(number), SET_MODE_FILTER, NEW_LISTENER, ctypes.byref(loaded))
    listener = ctypes.CDLL(None, use_errno=True).syscall(*arguments)
    if listener < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"seccomp: {os.strerror(error)}")
    watcher.hand_over(listener)


def _prctl(*arguments: object) -> None:
    values = [ctypes.c_ulong(one) if isinstance(one, int) else one for one in arguments]
    values += [ctypes.c_ulong(0)] * (5 - len(values))
    if ctypes.CDLL(None, use_errno=True).prctl(*values) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl {arguments[0]}: {os.strerror(error)}")


def _close_all_but(kept: set[int]) -> None:
    for descriptor in [int(entry.name) for entry in os.scandir("/proc/self/fd")]:
        if descriptor not in kept:
            _close(descriptor)


def _close(descriptor: int) -> None:
    try:
        os.close(descriptor)
    except OSError:
        return  # it was the one that listed them


def _write(name: str, text: str) -> None:
    with open(name, "w", encoding="ascii") as file:  # noqa: PTH123 (pathlib is slow to import)
        file.write(text)


def _say(steps: dict[str, Any], text: str) -> None:
    os.write(steps["status"], text.encode("utf-8", "replace"))
