"""The system calls that a box may not make, and the filter that says so to the kernel.

Everything else is allowed: the filter takes away what has been used to get out of boxes or to trouble the
machine, and nothing that ordinary programs need. Numbers and structure of calls are libseccomp's business.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

from mcp_guard.sandbox.writes import FLAGS, FLAGS_IN_MEMORY, WRITES, WRITING

INSTALL: Final = "install pyseccomp and libseccomp 2.5 or later (Debian: apt install libseccomp2)"

FORBIDDEN: Final = (
    "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp",
    "mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "fsmount", "fsconfig",
    "fspick", "mount_setattr",
    "setns", "unshare", "name_to_handle_at", "open_by_handle_at",
    "reboot", "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "swapon",
    "swapoff",
    "bpf", "perf_event_open", "userfaultfd", "fanotify_init", "lookup_dcookie", "vmsplice",
    "keyctl", "add_key", "request_key",
    "acct", "quotactl", "quotactl_fd", "syslog", "vhangup", "personality",
    "settimeofday", "adjtimex", "clock_settime", "clock_adjtime", "stime", "sethostname", "setdomainname",
    "iopl", "ioperm",
)  # fmt: skip
"""Calls that fail with EPERM, or end the process."""

ABSENT: Final = ("clone3", "io_uring_setup", "io_uring_enter", "io_uring_register")
"""Calls that fail with ENOSYS, so that libraries take older ones: what these do, a filter cannot see."""

NAMESPACES: Final = (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)
"""CLONE_NEWNS and its kind, which ``clone`` takes in its first argument."""

TERMINAL: Final = (0x5412, 0x541C)
"""TIOCSTI and TIOCLINUX, which type into the terminal of somebody else (CVE-2017-5226, CVE-2023-28339)."""

AF_UNIX: Final = 1
AF_INET: Final = 2
AF_INET6: Final = 10
INTEGER: Final = 0xFFFFFFFF
"""The bits that the kernel looks at where an argument is an int."""

SHARED: Final = ("setsid", "setpgid", "shmget", "shmat", "msgget", "semget", "mq_open", "pidfd_open")
"""Forbidden as well where the box shares its processes and System V objects with the machine."""

OF_OTHERS: Final = (
    ("prlimit64", 0),
    ("sched_setaffinity", 0),
    ("sched_setscheduler", 0),
    ("sched_setparam", 0),
    ("sched_setattr", 0),
    ("move_pages", 0),
    ("migrate_pages", 0),
    ("setpriority", 1),
    ("ioprio_set", 1),
)
"""Calls about a process, and which argument names it: there it has to be 0, the caller."""


class Sockets(NamedTuple):
    """The families of sockets that may be made. Pairs of connected sockets always may."""

    lowest: int
    highest: int
    but: tuple[int, ...] = ()


NO_SOCKETS: Final = Sockets(INTEGER, INTEGER)
LOCAL_SOCKETS: Final = Sockets(AF_UNIX, AF_UNIX)
INTERNET_SOCKETS: Final = Sockets(AF_UNIX, AF_INET6, tuple(range(AF_INET + 1, AF_INET6)))


@dataclass(frozen=True, slots=True)
class Rule:
    """One call and what becomes of it: ``error`` is a number of errno, None stands for ``EPERM`` or the end.

    ``test`` is a comparison of one argument: its place, the operator by libseccomp's name for it, and
    one or two numbers.
    """

    call: str
    error: int | None = None
    test: tuple[int, str, int, int] | None = None


class FilterUnavailableError(Exception):
    """There is no filter to be had; the text says why."""


def rules(sockets: Sockets, *, shared: bool) -> list[Rule]:
    """Return what is forbidden; ``shared`` is for a box without namespaces of its own."""
    found = [Rule(call) for call in FORBIDDEN]
    found += [Rule(call, errno.ENOSYS) for call in ABSENT]
    found += [Rule("clone", None, (0, "MASKED_EQ", flag, flag)) for flag in NAMESPACES]
    found += [Rule("ioctl", None, (1, "MASKED_EQ", INTEGER, number)) for number in TERMINAL]
    refused = errno.EAFNOSUPPORT
    found += [Rule("socket", refused, (0, "LT", sockets.lowest, 0))]
    found += [Rule("socket", refused, (0, "GT", sockets.highest, 0))]
    found += [Rule("socket", refused, (0, "EQ", family, 0)) for family in sockets.but]
    if shared:
        found += [Rule(call, errno.EPERM) for call in SHARED]
        found += [Rule(call, errno.EPERM, (place, "NE", 0, 0)) for call, place in OF_OTHERS]
    return found


def questions() -> list[Rule]:
    """Return the calls that the kernel asks a watcher about: those that change files."""
    found = [Rule(call) for call in WRITES if call not in FLAGS]
    for call, place in FLAGS.items():
        found += [Rule(call, None, (place, "MASKED_EQ", mask, value)) for mask, value in WRITING]
    return found


def watched() -> dict[str, Any]:
    """Return those calls by their numbers, as the watcher reads them.

    Raises:
        FilterUnavailableError: when libseccomp is missing.
    """
    library = _library()
    numbers = {name: library.resolve_syscall(library.Arch.NATIVE, name) for name in WRITES}
    calls = {numbers[name]: places for name, places in WRITES.items()}
    return {"calls": calls, "flags_in_memory": numbers[FLAGS_IN_MEMORY]}


@lru_cache(maxsize=16)
def program(sockets: Sockets, *, shared: bool, kill: bool, spared: tuple[str, ...] = ()) -> bytes:
    """Return the filter in classic BPF, eight bytes for each instruction.

    A call by the convention of another architecture (32 bits, x32) ends the process.

    Args:
        sockets: families that may be made.
        shared: whether the box shares its processes with the machine.
        kill: whether what is forbidden ends the process instead of failing with EPERM.
        spared: forbidden calls that are let pass all the same.

    Raises:
        FilterUnavailableError: when libseccomp is missing, or too old to know one of the calls.
    """
    library = _library()
    forbidden = library.KILL_PROCESS if kill else library.ERRNO(errno.EPERM)
    made = library.SyscallFilter(library.ALLOW)
    made.set_attr(library.Attr.ACT_BADARCH, library.KILL_PROCESS)
    for rule in (rule for rule in rules(sockets, shared=shared) if rule.call not in spared):
        _add(made, library, rule, forbidden if rule.error is None else library.ERRNO(rule.error))
    for rule in questions() if kill else ():
        _add(made, library, rule, library.NOTIFY)
    return _exported(made)


def _add(made: Any, library: Any, rule: Rule, action: int) -> None:
    place, operator, *values = rule.test or (0, "", 0, 0)
    tests = [library.Arg(place, getattr(library, operator), *values)] if rule.test else []
    try:
        made.add_rule(action, rule.call, *tests)
    except (OSError, ValueError) as error:
        raise FilterUnavailableError(
            f"libseccomp refuses a rule for {rule.call}: {error}; {INSTALL}"
        ) from None


def _library() -> Any:
    try:
        import pyseccomp  # noqa: PLC0415 (all but confinement works without it)
    except (ImportError, RuntimeError, OSError) as error:
        raise FilterUnavailableError(f"{error}; {INSTALL}") from None
    return pyseccomp


def _exported(made: Any) -> bytes:
    with os.fdopen(os.memfd_create("filter"), "w+b") as file:
        made.export_bpf(file)
        file.seek(0)
        return file.read()
