"""Clients that leave, under real servers: nothing of them stays open, and no slot stays taken."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.child import ROOT, SERVERS, serving
from tests.ports import free_port
from tests.rows.exchanges import Request, bearer, get, post
from tests.rows.world import SERVER
from tests.transports import wire

CLIENTS, SECONDS = 5, 20.0
APP = "tests.transports.site.leaving:application"
STREAM = get(bearer(SERVER), ("Accept", "text/event-stream"))
CALL = post(bearer(SERVER))


@pytest.fixture(scope="module", params=SERVERS)
def port(request: Any, tmp_path_factory: Any) -> Iterator[int]:
    folder: Path = tmp_path_factory.mktemp(request.param)
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.transports.site.settings",
        "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
    }
    prepare = [sys.executable, "-m", "tests.transports.site", "prepare"]
    subprocess.run(prepare, cwd=ROOT, env={**os.environ, **environment}, check=True, timeout=60)
    found = free_port()
    with serving(
        *SERVERS[request.param], str(found), APP, port=found, log=folder / "log", environment=environment
    ):
        yield found


def open_on(port: int, request: Request) -> socket.socket:
    """Send a request and return its connection."""
    lines = [f"{request.method} /mcp HTTP/1.1", *(f"{name}: {value}" for name, value in request.headers)]
    opened = socket.create_connection(("127.0.0.1", port), timeout=wire.SECONDS)
    opened.sendall("\r\n".join([*lines, "", ""]).encode() + request.body)
    return opened


def report(port: int) -> Any:
    return json.loads(wire.ask(port, get(), "/report").body)


def until(port: int, holds: Callable[[Any], bool]) -> Any:
    """Return the first report of which something holds, or the last one."""
    deadline = time.monotonic() + SECONDS
    while not holds(found := report(port)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def open_ones(found: Any) -> tuple[int, int, int]:
    return found["connections"], found["slots"], found["looked at"]


def test_nothing_of_a_stream_stays_when_its_client_has_left(port: int):
    opened = [open_on(port, STREAM) for _ in range(CLIENTS)]
    assert [one.recv(12) for one in opened] == [b"HTTP/1.1 200"] * CLIENTS
    assert open_ones(until(port, lambda found: found["connections"] == CLIENTS)) == (CLIENTS,) * 3

    for one in opened:
        one.close()

    assert open_ones(until(port, lambda found: found["ended"]["streams"] == CLIENTS)) == (0, 0, 0)


def test_no_slot_stays_taken_by_clients_that_leave_before_their_call_begins(port: int):
    for _ in range(CLIENTS):
        open_on(port, CALL).close()

    found = until(port, lambda found: found["ended"]["calls"] == CLIENTS)

    assert (found["ended"]["calls"], *open_ones(found)) == (CLIENTS, 0, 0, 0)
