"""The probe under a real server, with a page to visit it from, for every client at once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.child import serving
from tests.clients.job import DOORS, Job
from tests.ports import free_port

SECONDS: Final = 10.0
"""How long a tool may take to hear that its caller has left."""


@dataclass(frozen=True)
class Bed:
    """A running probe. Its tokens are those of a program and of a page of the listed origin."""

    server: str
    port: int
    listed: str
    tokens: dict[str, str]
    log: Path

    @property
    def events(self) -> list[str]:
        """What the tools did."""
        return self.log.read_text().splitlines()

    def has_cancelled(self, label: str) -> bool:
        """Return whether the slow tool that was called with the label hears that it is cancelled."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            if f"cancelled {label}" in self.events:
                return True
            time.sleep(0.02)
        return False

    def url(self, door: str, host: str = "127.0.0.1") -> str:
        """Return where a door is; the second host is none of the site's."""
        scheme = "ws" if door == "socket" else "http"
        return f"{scheme}://{host}:{self.port}{DOORS[door]}"

    def job(self, client: str, door: str, mode: str, kind: str = "server") -> Job:
        """Return a visit with the token of a program, or with that of a page."""
        origin = self.listed if client == "python" and kind == "browser" else None
        label = f"{client} {self.server} {door} {mode}"
        return Job(self.url(door), mode, self.tokens[kind], origin, label)


@contextmanager
def probe(server: str, directory: Path, listed: str) -> Iterator[Bed]:
    """Serve the probe with one listed origin."""
    directory.mkdir()
    port, log, tokens = free_port(), directory / "events", directory / "tokens.json"
    log.touch()
    environment = {
        "DATABASE_URL": f"sqlite:///{directory / 'probe.sqlite3'}",
        "PROBE_LOG": str(log),
        "ALLOWED_HOSTS": "127.0.0.1",
        "SECRET_KEY": "tests only",
    }
    arguments = ("tests.clients.serve", server, str(port), tokens, listed)
    with serving(*arguments, port=port, log=directory / "output", environment=environment):
        yield Bed(server, port, listed, json.loads(tokens.read_text()), log)
