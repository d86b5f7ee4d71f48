"""Servers of stacks, each on one processor of its own, and what they use."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from benchmarks.environment import DATA
from benchmarks.stacks import STACKS, environment

KINDS: Final = ("uvicorn", "daphne")
SECONDS: Final = 60.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")


def processors() -> tuple[int, int]:
    """Return the processor of the load and that of the servers; the same one where there is no other."""
    found = sorted(os.sched_getaffinity(0))
    return found[0], found[-1]


class Server:
    """One server process. ``port`` is where it listens, on the loopback alone."""

    def __init__(self, name: str, kind: str) -> None:
        self.name = name
        self.kind = kind
        self.port = _free_port()
        child = environment(STACKS[name])
        child["MCP_GUARD_BENCHMARKS_ASYNC"] = "1"
        self._log = (DATA / "servers.log").open("a")
        self._process = subprocess.Popen(
            ["taskset", "-c", str(processors()[1]), sys.executable, "-m", *self._command()],
            env=child, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
        )  # fmt: skip

    def _command(self) -> list[str]:
        app = "benchmarks.site.asgi:application"
        if self.kind == "daphne":
            return ["daphne", "-b", "127.0.0.1", "-p", str(self.port), "-v", "0", app]
        options = ["--host", "127.0.0.1", "--port", str(self.port), "--no-access-log", "--log-level", "error"]
        return ["uvicorn", app, *options]

    def wait(self) -> None:
        """Return once it accepts connections.

        Raises:
            RuntimeError: when it has died or takes too long.
        """
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.5).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"{self.name} on {self.kind} does not listen; see var/benchmarks/servers.log")

    def cpu_seconds(self) -> float:
        """Return the processor time it has used."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def resident_kib(self) -> int:
        """Return its share of memory in KiB."""
        lines = Path(f"/proc/{self._process.pid}/smaps_rollup").read_text("ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port
