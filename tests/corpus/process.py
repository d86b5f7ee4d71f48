"""One process of the corpus site: started for one policy, stopped with all its children."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any, ClassVar, Final

from tests.corpus.errors import CaseSkipped, ContractBroken
from tests.corpus.placeholders import Placeholders
from tests.ports import free_port

START_SECONDS: Final = 40.0
"""How long the site may take until it prints its ready line."""

ACTION_SECONDS: Final = 30.0
STOP_SECONDS: Final = 5.0


class SiteProcess:
    """A running corpus site.

    Raises:
        ContractBroken: when it does not start or does not say that it is ready.
    """

    running: ClassVar[set[SiteProcess]] = set()
    _lock: ClassVar = threading.Lock()

    def __init__(self, command: str, policy: str, server: str, log: Path) -> None:
        self.policy = policy
        self.logs = [log]
        port = free_port()
        log.write_bytes(b"")
        self._log_file = log.open("ab", buffering=0)  # two writers: the process and _read_stdout
        self._ready_line: dict[str, Any] | None = None
        self._ready = threading.Event()
        self.process = self._start(command, policy=policy, port=str(port), server=server)
        with self._lock:
            self.running.add(self)
        self._reader = threading.Thread(target=self._read_stdout, daemon=True)
        self._reader.start()
        ready = self._wait_until_ready()
        self.port: int = ready.get("port", port)
        self.placeholders = Placeholders(ready.get("placeholders", {}))
        self.actions: dict[str, str] = ready.get("actions", {})
        self.admin: dict[str, Any] = ready.get("admin", {})
        self.logs += [Path(name) for name in ready.get("logs", [])]

    def act(self, name: str, argument: str | None = None) -> str:
        """Run one of the commands of the ready line and return what it prints.

        Raises:
            CaseSkipped: when the site offers no such action.
            ContractBroken: when it fails.
        """
        if name not in self.actions:
            raise CaseSkipped(f"the site offers no action '{name}'")
        command = self.actions[name] + ("" if argument is None else " " + shlex.quote(argument))
        done = subprocess.run(
            command,
            shell=True,
            capture_output=True,
            text=True,
            timeout=ACTION_SECONDS,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            raise ContractBroken(
                f"the action '{name}' ended with status {done.returncode}: {done.stderr[-300:]!r}"
            )
        return done.stdout

    def log_sizes(self) -> dict[Path, int]:
        """Return how long each log is now, for ``log_text``."""
        return {path: path.stat().st_size for path in self.logs if path.is_file()}

    def log_text(self, since: dict[Path, int] | None = None) -> str:
        """Return what the site wrote: all of it, or since ``log_sizes`` was asked."""
        begin = since or {}
        parts = [path.read_bytes()[begin.get(path, 0) :] for path in self.logs if path.is_file()]
        return b"\n".join(parts).decode("utf-8", "surrogateescape")

    def stop(self) -> None:
        """End the process and its children, which share its process group."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            try:
                self.process.wait(STOP_SECONDS)
                break
            except subprocess.TimeoutExpired:
                continue
        self._reader.join(2)
        self._log_file.close()
        if self.process.stdout is not None:
            self.process.stdout.close()
        with self._lock:
            self.running.discard(self)

    @classmethod
    def stop_all(cls) -> None:
        """End every site that still runs."""
        for site in list(cls.running):
            site.stop()

    def _start(self, command: str, **values: str) -> subprocess.Popen[bytes]:
        for name, value in values.items():
            command = command.replace(f"{{{name}}}", value)
        try:
            return subprocess.Popen(
                shlex.split(command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=self._log_file,
                start_new_session=True,
            )
        except OSError as error:
            self._log_file.close()
            raise ContractBroken(f"the site did not start: {error}") from None

    def _wait_until_ready(self) -> dict[str, Any]:
        if self._ready.wait(START_SECONDS) and self._ready_line is not None:
            return self._ready_line
        self.stop()
        raise ContractBroken(
            f"no ready line from the site (exit status {self.process.returncode}); "
            f"its last output: {self.log_text()[-400:]!r}"
        )

    def _read_stdout(self) -> None:
        """Take the ready line out of what the site prints; everything else is its log."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            ready = None if self._ready.is_set() else _parse_ready_line(line)
            if ready is None:
                self._log_file.write(line)
            else:
                self._ready_line = ready
                self._ready.set()
        self._ready.set()


def _parse_ready_line(line: bytes) -> dict[str, Any] | None:
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if found.get("ready") is True else None
