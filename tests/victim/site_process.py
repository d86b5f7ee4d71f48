"""The site in a process of its own, on Daphne or uvicorn, and what happened on it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.faults.process import ROOT, Child, accepts
from tests.ports import free_port

SERVERS: Final = ("daphne", "uvicorn")
START_SECONDS: Final = 60
_APPLICATION: Final = "tests.victim.site.asgi:application"


class Happened(NamedTuple):
    """What happened on the site meanwhile: exchanges, users whose tool ran by mount, reasons of refusals."""

    arrived: list[dict[str, Any]]
    runs: list[tuple[str, str]]
    refused: list[str]


@dataclass
class Site:
    """A running site. ``token`` is one for listed pages."""

    port: int
    token: str
    environment: dict[str, str]

    def url(self, path: str) -> str:
        return f"http://portal.localhost:{self.port}/{path}"

    def happened(self, since: Happened | None = None) -> Happened:
        """Return what happened since the start or since then."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", "/report", headers={"Host": "portal.localhost"})
        said = json.loads(connection.getresponse().read())
        connection.close()
        runs = [(run["mount"], run["user"]) for run in said["runs"]]
        refused = [reason for _, reason in said["refused"]]
        if since is None:
            return Happened(said["arrived"], runs, refused)
        for reason in since.refused:
            refused.remove(reason)
        return Happened(said["arrived"][len(since.arrived) :], runs[len(since.runs) :], refused)

    def manage(self, *arguments: str) -> None:
        """Run ``manage.py mcp_guard`` on the site's database, as an operator does."""
        command = [sys.executable, "manage.py", "mcp_guard", *arguments]
        subprocess.run(command, cwd=ROOT, env=self.environment, check=True, capture_output=True)


@contextmanager
def serve_site(server: str, folder: Path, pages: int) -> Iterator[Site]:
    """Run the site with a fresh database in a folder; the listed pages are at the port ``pages``."""
    port = free_port()
    environment = {
        "PATH": "",
        "DJANGO_SETTINGS_MODULE": "tests.victim.site.settings",
        "DATABASE_URL": f"sqlite:///{folder / f'{server}.sqlite3'}",
    }
    prepare = [sys.executable, "-m", "tests.victim.site", str(pages)]
    prepared = subprocess.run(prepare, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    child = Child(_command(server, port), folder / f"{server}.log", environment=environment)
    try:
        child.wait_until(lambda: accepts(port), START_SECONDS)
        yield Site(port, prepared.stdout.strip(), environment)
    finally:
        child.stop()


def _command(server: str, port: int) -> list[str]:
    options = {
        "daphne": ["-b", "127.0.0.1", "-p", str(port)],
        "uvicorn": ["--host", "127.0.0.1", "--port", str(port), "--lifespan", "off"],
    }
    return [sys.executable, "-m", server, *options[server], _APPLICATION]
