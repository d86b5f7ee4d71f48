"""Kill mode: end a program that tries to change a file outside of what it may write.

The launcher forks: its child goes on, confines itself and becomes the program; the launcher stays as its
parent, and the kernel asks it before each call that changes files (seccomp_unotify(2)). It only looks: what
may be written is up to the file system and Landlock, so a path that changes behind its back changes nothing.
"""

from __future__ import annotations

import ctypes
import os
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Final, NoReturn

WROTE: Final = 160
"""The exit status of a box that tried to write elsewhere; no signal has this number plus 128."""

RECEIVE: Final = 0xC0502100
SEND: Final = 0xC0182101
CONTINUE: Final = 1
GET_DESCRIPTOR: Final = 438
SIGKILL: Final = 9
SIGNALLED: Final = 128
PR_SET_DUMPABLE: Final = 4
MOST_PATH: Final = 4096
CURRENT_FOLDER: Final = -100
ALWAYS: Final = ("/proc", "/dev")
WRITING_FLAGS: Final = 0o3 | 0o100 | 0o1000


class _Question(ctypes.Structure):
    """``struct seccomp_notif`` with its ``struct seccomp_data``."""

    _fields_ = (
        ("id", ctypes.c_uint64), ("pid", ctypes.c_uint32), ("flags", ctypes.c_uint32),
        ("call", ctypes.c_int32), ("machine", ctypes.c_uint32), ("address", ctypes.c_uint64),
        ("arguments", ctypes.c_uint64 * 6),
    )  # fmt: skip


class _Answer(ctypes.Structure):
    """``struct seccomp_notif_resp``."""

    _fields_ = (
        ("id", ctypes.c_uint64), ("value", ctypes.c_int64), ("error", ctypes.c_int32),
        ("flags", ctypes.c_uint32),
    )  # fmt: skip


class Watch:
    """The pipes between the watcher and the one that it watches."""

    def __init__(self) -> None:
        self.numbers = os.pipe()
        self.taken = os.pipe()

    def hand_over(self, listener: int) -> None:
        """Tell the watcher which descriptor it is asked through, and wait until it has it."""
        os.write(self.numbers[1], str(listener).encode())
        if os.read(self.taken[0], 1) != b"1":
            raise OSError(0, "nobody watches what it writes")
        for descriptor in (self.numbers[1], self.taken[0], listener):
            os.close(descriptor)


def fork(steps: dict[str, Any]) -> Watch:
    """Return in a child, which goes on; this process watches it and ends with its exit status.

    Raises:
        OSError: when there can be no other process.
    """
    watch = Watch()
    child = os.fork()
    if child == 0:
        os.close(watch.numbers[0])
        os.close(watch.taken[1])
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)  # a changed user took it: nobody could look
        return watch
    os.close(steps["status"])
    os.close(watch.numbers[1])
    os.close(watch.taken[0])
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    return _watch(child, watch, steps)


def _watch(child: int, watch: Watch, steps: dict[str, Any]) -> NoReturn:
    process = os.pidfd_open(child)
    number = os.read(watch.numbers[0], 16)
    if number:
        listener = ctypes.CDLL(None, use_errno=True).syscall(GET_DESCRIPTOR, process, int(number), 0)
        if listener >= 0:
            os.write(watch.taken[1], b"1")
            _answer_until_end(child, process, listener, steps)
    os.close(watch.taken[1])
    _, status = os.waitpid(child, 0)
    code = os.WTERMSIG(status) + SIGNALLED if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    os._exit(code)


def _answer_until_end(child: int, process: int, listener: int, steps: dict[str, Any]) -> None:
    poll = select.poll()
    poll.register(process, select.POLLIN)
    poll.register(listener, select.POLLIN)
    libc = ctypes.CDLL(None, use_errno=True)
    while process not in (ready := dict(poll.poll())):
        question = _Question()
        if not ready.get(listener, 0) & select.POLLIN:
            poll.unregister(listener)
        elif libc.ioctl(listener, ctypes.c_ulong(RECEIVE), ctypes.byref(question)) == 0:
            if _writes_elsewhere(question, steps):
                os.kill(child, SIGKILL)
                os._exit(WROTE)  # in a box everything ends with it
            answer = _Answer(question.id, 0, 0, CONTINUE)
            libc.ioctl(listener, ctypes.c_ulong(SEND), ctypes.byref(answer))


def _writes_elsewhere(question: _Question, steps: dict[str, Any]) -> bool:
    """Whether a call is about to change what lies outside; what cannot be read is left to the kernel."""
    arguments, pid = list(question.arguments), question.pid
    try:
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:  # noqa: PTH123 (pathlib is slow to import)
            if question.call == steps["watch"]["flags_in_memory"]:
                memory.seek(arguments[2])
                if not int.from_bytes(memory.read(8), "little") & WRITING_FLAGS:
                    return False
            places = steps["watch"]["calls"].get(question.call, ())
            paths = [_path(memory, pid, arguments, folder, at) for folder, at in places]
    except (OSError, ValueError, OverflowError):
        return False
    writable, readable = steps["watch"]["writable"], steps["watch"]["readable"]
    return any(not _covered(path, (*writable, *ALWAYS)) or _covered(path, readable) for path in paths)


def _path(memory: Any, pid: int, arguments: list[int], folder: int | None, at: int) -> str:
    """Return the path that an argument points to, with links in its folders followed."""
    memory.seek(arguments[at])
    text = os.fsdecode(memory.read(MOST_PATH).partition(b"\0")[0])
    number = CURRENT_FOLDER if folder is None else ctypes.c_int32(arguments[folder]).value
    base = "cwd" if number == CURRENT_FOLDER else f"fd/{number}"
    folders, _, name = f"{os.readlink(f'/proc/{pid}/{base}')}/{text}".rpartition("/")  # noqa: PTH115
    return os.path.realpath(folders if text[:1] != "/" else text.rpartition("/")[0] or "/") + f"/{name}"


def _covered(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(folder + "/") for folder in folders)
