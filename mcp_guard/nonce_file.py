"""The file that tells the nonce to the programs of one user: private, whole at any moment, of one server.

No symbolic link is followed, neither for the file nor for its folder, and what others could read or write is
not used. Everything is opened relative to the open folder, so nobody can put another one in its place.

The processes of one server share a nonce: those of one process group, as the workers of a server are. Each
holds a shared lock as long as it lives, so a file whose server was killed is known for what it is.
"""

from __future__ import annotations

import fcntl
import hmac
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

BYTES: Final = 32
"""Random bytes of a nonce, written as twice as many hexadecimal digits."""

MUTEX_SECONDS: Final = 2.0
"""How long to wait for another process that writes or removes the file."""

_NONCE = re.compile(r"[0-9a-f]{64}")
_FLAGS: Final = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe in place of a file keeps nobody waiting


class NonceRefused(OSError):
    """The file or its folder cannot be used; the message says why, in words for whoever runs the server."""


class NonceFile:
    """The nonce file as one process holds it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._alive: int | None = None

    def publish(self) -> str:
        """Return the nonce: a new one, or that of the other processes of this server.

        Raises:
            NonceRefused: when others could read or change it, or another server that runs has it.
            OSError: when it cannot be written.
        """
        with self._folder() as folder, self._mutex(folder):
            alive = _open_own(f"{self.path.name}.live", os.O_RDWR | os.O_CREAT, folder)
            try:
                text = (
                    self._write(folder, alive) if _lock(alive, fcntl.LOCK_EX) else self._share(folder, alive)
                )
                fcntl.flock(alive, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BaseException:
                os.close(alive)
                raise
        self._alive = alive
        return text

    def remove(self, text: str) -> None:
        """Let go of the file; the last process of a server removes it, if it still holds this nonce.

        Raises:
            OSError: when it cannot be removed.
        """
        if self._alive is None:
            return
        alive, self._alive = self._alive, None
        try:
            with self._folder() as folder, self._mutex(folder):
                if _lock(alive, fcntl.LOCK_EX) and hmac.compare_digest(self._read(folder), text):
                    os.unlink(self.path.name, dir_fd=folder)
        finally:
            os.close(alive)

    def let_go(self) -> None:
        """Let go of the file without removing it, as a forked process does: it stays with the parent."""
        if self._alive is not None:
            os.close(self._alive)
            self._alive = None

    def _write(self, folder: int, alive: int) -> str:
        """Write a new nonce under a name of its own, then put it in the place of whatever stands there."""
        text, temporary = secrets.token_hex(BYTES), f".{self.path.name}.{secrets.token_hex(8)}"
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600, dir_fd=folder)
        try:
            with os.fdopen(file, "w", encoding="ascii") as written:
                os.fchmod(file, 0o600)
                written.write(text)
            os.rename(temporary, self.path.name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=folder)
            raise
        os.ftruncate(alive, 0)
        os.pwrite(alive, _server().encode(), 0)
        return text

    def _share(self, folder: int, alive: int) -> str:
        if os.pread(alive, 64, 0).decode("ascii", "replace") != _server():
            raise NonceRefused(
                f"{self.path} is that of another server that runs; give NONCE_FILE another name"
            )
        return self._read(folder)

    def _read(self, folder: int) -> str:
        file = _open_own(self.path.name, os.O_RDONLY, folder)
        try:
            text = os.read(file, 2 * BYTES + 1).decode("ascii", "replace")
        finally:
            os.close(file)
        if not _NONCE.fullmatch(text):
            raise NonceRefused(f"{self.path} does not hold a nonce")
        return text

    @contextmanager
    def _folder(self) -> Iterator[int]:
        """Open the folder of the file, which is made if it is missing."""
        path = self.path.parent
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _refuse_foreign(os.fstat(folder), path)
            yield folder
        finally:
            os.close(folder)

    @contextmanager
    def _mutex(self, folder: int) -> Iterator[None]:
        file = _open_own(f"{self.path.name}.lock", os.O_RDWR | os.O_CREAT, folder)
        try:
            deadline = time.monotonic() + MUTEX_SECONDS
            while not _lock(file, fcntl.LOCK_EX):
                if time.monotonic() > deadline:
                    raise NonceRefused(f"another process holds {self.path}.lock for too long")
                time.sleep(0.01)
            yield
        finally:
            os.close(file)


def _open_own(name: str, flags: int, folder: int) -> int:
    """Open a file of the folder that nobody else can read or write."""
    file = os.open(name, flags | _FLAGS, 0o600, dir_fd=folder)
    try:
        found = os.fstat(file)
        _refuse_foreign(found, name)
        _refuse_odd(found, name)
    except BaseException:
        os.close(file)
        raise
    return file


def _refuse_odd(found: os.stat_result, name: object) -> None:
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        raise NonceRefused(f"{name} is no ordinary file of one name")


def _refuse_foreign(found: os.stat_result, name: object) -> None:
    if found.st_uid != os.geteuid():
        raise NonceRefused(f"{name} belongs to another user")
    if found.st_mode & 0o077:
        raise NonceRefused(f"{name} is open to others; take their rights away with chmod go-rwx")


def _lock(file: int, kind: int) -> bool:
    """Lock an open file, or return False when another process has a lock in the way."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _server() -> str:
    """Return what the processes of one server have in common as long as any of them lives."""
    return f"process group {os.getpgid(0)}"
