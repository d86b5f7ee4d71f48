"""Local servers in processes of their own: the nonce appears with them, lets in, and goes with them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

import pytest

from tests.child import ROOT, START_SECONDS
from tests.ports import free_port

APP: Final = "tests.transports.site.local_asgi:application"
SERVERS: Final = {
    "daphne": ["daphne", "-v", "0", "-b", "127.0.0.1", "-p", "{port}", APP],
    "uvicorn": ["uvicorn", "--host", "127.0.0.1", "--port", "{port}", APP],
    "two workers": ["uvicorn", "--host", "127.0.0.1", "--port", "{port}", "--workers", "2", APP],
    "unix socket": ["uvicorn", "--uds", "{folder}/site.sock", APP],
}


class Site:
    """A local server that runs."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
        self.process = process
        self.port = port
        self.folder = folder
        self.file = folder / "mcp-guard" / "ws-nonce"

    def ask(self, **headers: str) -> int:
        """Return the status of a GET."""
        connection = HTTPConnection("localhost", self.port, timeout=10)
        uds = self.folder / "site.sock"
        with closing(connection):
            if uds.exists():
                connection.sock = socket.socket(socket.AF_UNIX)
                connection.sock.connect(str(uds))
            connection.request("GET", "/mcp", headers={"Connection": "close", **headers})
            with connection.getresponse() as response:
                return response.status


@pytest.fixture(scope="module")
def database(tmp_path_factory: Any) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('database') / 'db.sqlite3'}"
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.transports.site.local", "DATABASE_URL": url}
    command = [sys.executable, "manage.py", "migrate", "-v", "0"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=120)
    return url


@contextmanager
def serving(name: str, database: str, folder: Path) -> Iterator[Site]:
    port = free_port()
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.transports.site.local",
        "DATABASE_URL": database,
        "NONCE_FILE": str(folder / "mcp-guard" / "ws-nonce"),
    }
    command = [part.format(port=port, folder=folder) for part in SERVERS[name]]
    process = subprocess.Popen(
        [sys.executable, "-m", *command], cwd=ROOT, env=environment, start_new_session=True
    )
    site = Site(process, port, folder)
    try:
        yield site
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(30)


def until(holds: Any, seconds: float = START_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def listens(site: Site) -> bool:
    try:
        return bool(site.ask())
    except OSError:
        return False


@pytest.mark.parametrize("name", SERVERS)
def test_the_nonce_lasts_as_long_as_its_server(name: str, database: str, tmp_path: Path):
    texts = set()
    for ending in (signal.SIGTERM, signal.SIGINT):
        with serving(name, database, tmp_path) as site:
            until(site.file.exists)  # before any request
            until(lambda: listens(site))
            text = site.file.read_text()
            texts.add(text)

            assert site.ask() == 401
            assert [site.ask(**{"X-MCP-Nonce": text}) for _ in range(6)] == [200] * 6
            assert site.ask(**{"X-MCP-Nonce": text[:-1] + "x"}) == 401
            assert site.ask(**{"X-MCP-Nonce": text, "Host": "attacker.test"}) == 421
            site.process.send_signal(ending)
            site.process.wait(30)

        assert not site.file.exists()
    assert len(texts) == 2


def test_a_server_that_listens_everywhere_does_not_start(database: str, tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "daphne", "-b", "0.0.0.0", "-p", str(free_port()), APP],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.transports.site.local",
            "DATABASE_URL": database,
            "NONCE_FILE": str(tmp_path / "mcp-guard" / "ws-nonce"),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode != 0
    assert "the server listens on 0.0.0.0" in done.stderr
    assert not (tmp_path / "mcp-guard").exists()


def test_checking_a_site_publishes_nothing(database: str, tmp_path: Path):
    file = tmp_path / "mcp-guard" / "ws-nonce"
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.transports.site.local",
        "DATABASE_URL": database,
        "NONCE_FILE": str(file),
    }

    subprocess.run([sys.executable, "manage.py", "check"], cwd=ROOT, env=environment, check=True, timeout=60)

    assert not file.parent.exists()
