"""Run the demo site's real server as a child process on the loopback interface."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.error import URLError
from urllib.request import urlopen

HOST: Final = "127.0.0.1"
APPLICATION: Final = "project.asgi:application"
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 15.0

COMMANDS: Final = {
    "daphne": ("daphne", "-v", "0", "-b", HOST, "-p", "{port}", "{application}"),
    "uvicorn": ("uvicorn", "--log-level", "warning", "--host", HOST, "--port", "{port}", "{application}"),
}
"""How each server is started, after ``python -m``."""


class NotServing(Exception):
    """The server did not come up; the text says what it wrote last."""


def is_free(port: int) -> bool:
    """Return whether a server could listen on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def command(server: str, port: int, application: str = APPLICATION) -> list[str]:
    """Return the command line that serves an application."""
    parts = (part.format(port=port, application=application) for part in COMMANDS[server])
    return [sys.executable, "-m", *parts]


@contextmanager
def serving(
    arguments: Sequence[str], port: int, directory: Path, log: Path, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Serve until the block ends. What the server writes goes to ``log``.

    The child gets a session of its own, so that Ctrl-C reaches the caller alone, who ends it in order.

    Raises:
        NotServing: when it ends early or does not answer in time.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 (our own interpreter and a fixed list)
            arguments,
            cwd=directory,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(process, port, log)
        yield process
    finally:
        _stop(process)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urlopen(f"http://{HOST}:{port}/admin/login/", timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    last = "\n".join(log.read_text("utf-8", "replace").splitlines()[-5:])
    raise NotServing(f"the server did not answer on port {port}; it wrote:\n{last}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
