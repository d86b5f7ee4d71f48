"""A number in memory that the processes of one host share: it moves with every change of policy.

A request reads it in a fraction of a microsecond and so knows, before any poll or push has told it, that
another process has committed a change. The number says nothing about the policy itself: a process that
cannot map it, or a stranger who moves it, costs a look at the database and no more.

The file is the user's own, in a folder only the user may enter. It is never followed through a link and
never trusted when somebody else owns it.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import stat
import tempfile
import threading
from pathlib import Path
from typing import Any, Final

from django.db import connections, router

from mcp_guard.models import Revision

SIZE: Final = 8
"""Bytes of the file: one number without sign."""

_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 (the folder below it belongs to this user alone)
_MODULUS: Final = 1 << 63


class Counter:
    """The shared number of one database. Without a file it is a number of this process alone."""

    def __init__(self, path: Path | None) -> None:
        self._handle = -1
        self._lock = threading.Lock()
        self.cell: memoryview[int] = memoryview(bytearray(SIZE)).cast("Q")
        if path is not None:
            self._map(path)

    @property
    def is_shared(self) -> bool:
        """Whether other processes see it."""
        return self._handle >= 0

    @property
    def value(self) -> int:
        """The number as it is now."""
        return self.cell[0]

    def move(self) -> None:
        """Change the number, so that every process looks at the database before its next answer."""
        with self._lock:  # a lock on the file keeps other processes out, not other threads
            if self.is_shared:
                fcntl.flock(self._handle, fcntl.LOCK_EX)
            try:
                self.cell[0] = (self.cell[0] + 1) % _MODULUS
            finally:
                if self.is_shared:
                    fcntl.flock(self._handle, fcntl.LOCK_UN)

    def _map(self, path: Path) -> None:
        """Map the file; one that is not plainly this user's own is left alone."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            _make_folder(path.parent)
            handle = os.open(path, flags, 0o600)
        except OSError:
            return
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            os.close(handle)
            return
        try:
            os.posix_fallocate(handle, 0, SIZE)  # a hole would kill the process once the memory is full
            self.cell = memoryview(mmap.mmap(handle, SIZE)).cast("Q")
        except (OSError, ValueError):
            os.close(handle)
            return
        self._handle = handle


def path_of_database() -> Path | None:
    """Return the file for the database that holds policy; None where the database is in memory."""
    alias = router.db_for_write(Revision)
    connection: Any = connections[alias]
    settings = connection.settings_dict
    name = str(settings.get("NAME", ""))
    if ":memory:" in name or "mode=memory" in name:
        return None
    if connection.vendor == "sqlite":
        name = os.path.realpath(name)  # whatever folder it is named from
    identity = "|".join((*(str(settings.get(key, "")) for key in ("ENGINE", "HOST", "PORT")), name))
    base = _SHARED_MEMORY if _SHARED_MEMORY.is_dir() else Path(tempfile.gettempdir())
    return base / f"mcp_guard-{os.geteuid()}" / hashlib.sha256(identity.encode()).hexdigest()[:32]


def _make_folder(folder: Path) -> None:
    """Make the folder, or check that the one there is this user's own.

    Raises:
        OSError: when it belongs to somebody else or others may enter it.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise PermissionError(f"{folder} is not a folder of this user alone")
