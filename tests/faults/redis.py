"""A Redis of its own, which may be stopped and killed without harm to anybody."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.process import Child, accepts
from tests.ports import free_port


class Redis:
    """The server; it keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.child = self._start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def restart(self) -> None:
        """Start it again after it was killed."""
        self.child = self._start()

    def _start(self) -> Child:
        program = shutil.which("redis-server")
        if program is None:
            raise FileNotFoundError("redis-server is not installed; the faults need it")
        place = ("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder))
        child = Child([program, *place, "--save", "", "--appendonly", "no"], self.folder / "redis.log")
        child.wait_until(lambda: accepts(self.port), 10)
        return child


@contextmanager
def redis(folder: Path) -> Iterator[Redis]:
    """Run a Redis with its log in this folder."""
    server = Redis(folder)
    try:
        yield server
    finally:
        server.child.stop()
