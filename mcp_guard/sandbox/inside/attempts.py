"""What the probe tries inside of a box: harmless attempts, each of which a confinement has to stop.

It is run by ``probe`` as ``python -c`` with the text of this file, and with what there is to be reached as
JSON in its first argument. It prints a JSON list of names, whether each was stopped, and by what.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

PTRACE_SEIZE = 0x4206
"""Attach without stopping it: where it works, the portal goes on."""

Attempt = Callable[[], Any]


class Stopped(Exception):
    """An attempt that was not refused, and yet came to nothing."""


def attempts(told: dict[str, Any]) -> Iterator[tuple[str, Attempt]]:
    """Return the attempts with their names, the gentle ones first."""
    portal = told["portal"]
    yield "read a file of the machine", lambda: _read(told["file"])
    yield "write a file of the machine", lambda: os.close(os.open(told["file"], os.O_WRONLY))
    yield "write to the system", lambda: os.close(os.open("/usr/mcp_guard-probe", os.O_WRONLY | os.O_CREAT))
    yield "read the environment of the portal", lambda: _read(f"/proc/{portal}/environ")
    yield "see other processes", lambda: _read(f"/proc/{portal}/cmdline")
    yield "send a signal to the portal", lambda: os.kill(portal, 0)
    yield "trace the process that started it", lambda: _call("ptrace", PTRACE_SEIZE, os.getppid(), 0, 0)
    yield "mount a file system", lambda: _call("mount", b"none", b"/tmp", b"tmpfs", 0, None)
    yield "make a namespace", lambda: _call("unshare", 0x10000000)
    yield "become root", lambda: os.setuid(0)
    yield (
        "change a setting of the kernel",
        lambda: os.close(os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY)),
    )
    yield "have privileges", _privileges
    yield "make system calls without a filter", lambda: _status("Seccomp:", "0")
    yield "inherit descriptors", _descriptors
    yield "connect by TCP", lambda: _connect(socket.AF_INET, ("127.0.0.1", told["port"]))
    yield "send by UDP", lambda: _send(told["port"])
    yield "connect to a Unix socket of the machine", lambda: _connect(socket.AF_UNIX, told["socket"])
    yield "connect to an abstract socket", lambda: _connect(socket.AF_UNIX, "\0" + told["name"])
    yield "fill /tmp", lambda: _fill(os.environ["TMPDIR"], told["tmp"])
    yield "start processes without end", lambda: _fork(told["processes"])


def main(told: dict[str, Any]) -> None:
    """Try everything, and say what came of it."""
    sys.stdout.write(json.dumps([(name, *_outcome(attempt)) for name, attempt in attempts(told)]) + "\n")


def _outcome(attempt: Attempt) -> tuple[bool, str]:
    try:
        attempt()
    except (OSError, Stopped, subprocess.SubprocessError) as error:
        return True, str(error)
    return False, "it worked"


def _read(path: str) -> None:
    with open(path, "rb") as file:  # noqa: PTH123 (pathlib is slow to import)
        file.read(1)


def _call(name: str, *arguments: Any) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _privileges() -> None:
    _status("NoNewPrivs:", "0")


def _status(name: str, bad: str) -> None:
    with open("/proc/self/status", encoding="ascii") as file:  # noqa: PTH123
        found = next(line.split()[1] for line in file if line.startswith(name))
    if found != bad:
        raise Stopped(f"{name} {found}")


def _descriptors() -> None:
    found = [one for one in os.listdir("/proc/self/fd") if int(one) > 3]  # noqa: PTH208 (the listing is the third)
    if not found:
        raise Stopped("three streams and nothing else")


def _connect(family: int, address: Any) -> None:
    with socket.socket(family) as made:
        made.settimeout(3)
        made.connect(address)


def _send(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.sendto(b"probe", ("127.0.0.1", port))


def _fill(folder: str, most: int) -> None:
    names = [f"{folder}/fill{number}" for number in range(4)]
    try:
        for name in names:
            with open(name, "wb", buffering=0) as file:  # noqa: PTH123
                while file.tell() < most // 2:
                    file.write(b"x" * 65536)
    finally:
        for name in names:
            if os.path.exists(name):  # noqa: PTH110
                os.unlink(name)  # noqa: PTH108


def _fork(most: int) -> None:
    children: list[int] = []
    try:
        while len(children) <= most:
            child = os.fork()
            if child == 0:
                signal.pause()
            children.append(child)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
