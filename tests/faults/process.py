"""Child processes: started with a log, looked at, frozen, and ended by their own process id."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
STOP_SECONDS: Final = 10.0


class NotStarted(RuntimeError):
    """A server did not come up; the text holds what it wrote last."""


class Child:
    """A process that was started for one fault. What it writes goes to ``log``."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        user: int | None = None,
        folder: Path | None = None,
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                cwd=folder or (ROOT if user is None else log.parent),
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def family(self) -> list[int]:
        """The process and its children, itself first."""
        return [self.pid, *(pid for pid in _processes() if _parent(pid) == self.pid)]

    @property
    def threads(self) -> int:
        """How many threads it has."""
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))

    @property
    def resident_kib(self) -> int:
        """Its resident memory in KiB."""
        status = Path(f"/proc/{self.pid}/status").read_text("ascii", "replace")
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1])

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and its children, the process first."""
        for pid in self.family:
            os.kill(pid, number)

    def freeze(self) -> None:
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill it and its children at once, as a machine does that runs out of memory."""
        if self.process.poll() is None:
            self.signal(signal.SIGKILL)
            self.process.wait()

    def stop(self) -> None:
        """End it in order, or kill it when it does not end."""
        if self.process.poll() is not None:
            return
        self.thaw()
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until it is ready.

        Raises:
            NotStarted: when it ends early or is not ready in time.
        """
        deadline = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < deadline:
            if ready():
                return
            time.sleep(0.05)
        last = "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-8:])
        raise NotStarted(f"{self.process.args} did not start; it wrote:\n{last}")


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a folder that is removed afterwards; others may enter it, as the database server has to."""
    with tempfile.TemporaryDirectory(prefix="mcp_guard-faults-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def accepts(port: int) -> bool:
    """Return whether somebody listens on a port of the loopback interface."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _parent(pid: int) -> int:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:  # it ended meanwhile
        return 0
    return int(stat.rpartition(")")[2].split()[1])
