"""Landlock: rules of the kernel about paths, ports and signals that a process takes upon itself for good.

Source: ``Documentation/userspace-api/landlock.rst`` and ``include/uapi/linux/landlock.h`` of Linux.
"""

from __future__ import annotations

import ctypes
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Final

CREATE_RULESET: Final = 444
ADD_RULE: Final = 445
RESTRICT_SELF: Final = 446
"""Numbers of the system calls; they are the same on every architecture but Alpha."""

VERSION: Final = 1
PATH_BENEATH: Final = 1
NET_PORT: Final = 2
CONNECT_TCP: Final = 1 << 1
TCP: Final = 0b11
SIGNALS_AND_ABSTRACT_SOCKETS: Final = 0b11

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = (1 << bit for bit in range(4))
MAKE_CHAR, MAKE_BLOCK = 1 << 6, 1 << 11
TRUNCATE, IOCTL_DEV = 1 << 14, 1 << 15
RIGHTS: Final = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF}
"""Rights over files that each version of the interface knows; from version 5 on all sixteen."""

OF_FILES: Final = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
READ: Final = EXECUTE | READ_FILE | READ_DIR
WRITE: Final = 0x7FFF & ~(MAKE_CHAR | MAKE_BLOCK)
DEVICE: Final = READ_FILE | WRITE_FILE | READ_DIR | IOCTL_DEV
ACCESS: Final[Mapping[str, int]] = {"read": READ, "write": WRITE, "device": DEVICE}
"""What a rule of each name allows: reading and running, anything but device files, and using devices."""


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


class _NetPort(ctypes.Structure):
    _fields_ = (("allowed", ctypes.c_uint64), ("port", ctypes.c_uint64))


def version() -> int:
    """Return the version of the interface that this kernel has; 0 when it has none or it is switched off."""
    try:
        return _call(CREATE_RULESET, None, 0, VERSION)
    except OSError:
        return 0


def restrict(paths: Mapping[str, Iterable[str]], ports: Iterable[int]) -> None:
    """Let this process and all it starts reach nothing but these paths and, by TCP, these ports.

    A path that does not exist gives no right. ``no_new_privs`` has to be set before.

    Args:
        paths: names of ``ACCESS`` with the files and folders they are about, these with all below them.
        ports: to which the process may connect, from version 4 on.

    Raises:
        OSError: when the kernel has no Landlock or refuses a rule.
    """
    known = version()
    files = RIGHTS.get(known, 0xFFFF)
    rules = _Ruleset(files, TCP, SIGNALS_AND_ABSTRACT_SOCKETS)
    size = 8 if known < 4 else 16 if known < 6 else 24
    ruleset = _call(CREATE_RULESET, ctypes.byref(rules), size, 0)
    for access, names in paths.items():
        for name in names:
            _allow_path(ruleset, name, ACCESS[access] & files)
    for port in ports if known >= 4 else ():
        _call(ADD_RULE, ruleset, NET_PORT, ctypes.byref(_NetPort(CONNECT_TCP, port)), 0)
    _call(RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _allow_path(ruleset: int, name: str, access: int) -> None:
    try:
        descriptor = os.open(name, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
        access &= OF_FILES
    _call(ADD_RULE, ruleset, PATH_BENEATH, ctypes.byref(_PathBeneath(access, descriptor)), 0)
    os.close(descriptor)


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    values = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    answer: int = libc.syscall(ctypes.c_long(number), *values)
    if answer < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"Landlock: {os.strerror(error)}")
    return answer
