"""A server in a process of its own on the loopback interface, ended with the block that started it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
START_SECONDS: Final = 40.0
STOP_SECONDS: Final = 10.0

SERVERS: Final = {
    "daphne": ("daphne", "-v", "0", "-b", "127.0.0.1", "-p"),
    "uvicorn": ("uvicorn", "--log-level", "warning", "--host", "127.0.0.1", "--port"),
}
"""How each server is started, after ``python -m`` and before the port and the application."""


@contextmanager
def serving(
    *arguments: str | Path, port: int, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``python -m`` with the arguments until the block ends; it has to listen on the port."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *map(str, arguments)],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait(process, port, log)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"nothing listens on port {port}; written was:\n{log.read_text('utf-8', 'replace')}")
