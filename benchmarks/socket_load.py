"""Messages a second over WebSockets end to end, and what an idle one keeps in memory."""

from __future__ import annotations

import json
import os
import resource
import time
from typing import Any, Final

from benchmarks import traffic
from benchmarks.credentials import HOST
from benchmarks.servers import KINDS, Server, processors
from benchmarks.site.views import REPLY
from benchmarks.socket_client import Client, exchange
from benchmarks.stacks import STACKS

NAMES: Final = ("socket", "socket again", "socket + guard", "socket + guard, own loop")
IDLE: Final = ("socket", "socket + guard", "socket + guard, own loop")
SOCKETS: Final = 8
IDLE_SOCKETS: Final = 1_000
AT_ONCE: Final = 50
"""How many handshakes are under way at a time."""

Cells = dict[str, dict[str, list[dict[str, Any]]]]


def run(rounds: int, seconds: float) -> Cells:
    """Return every round by stack and server, joined by a comma, under ``message`` and ``idle``."""
    _use_one_processor()
    cells: Cells = {}
    servers = [Server(name, kind) for kind in KINDS for name in NAMES]
    try:
        for server in servers:
            server.wait()
            _messages(server, 0.3)
        for number in range(rounds):
            for server in servers if number % 2 == 0 else servers[::-1]:
                cell = cells.setdefault(f"{server.name}, {server.kind}", {"message": [], "idle": []})
                cell["message"].append(_messages(server, seconds))
    finally:
        for server in servers:
            server.stop()
    for _ in range(max(1, rounds // 3)):
        for kind in KINDS:
            for name in IDLE:
                cells[f"{name}, {kind}"]["idle"].append(_idle(name, kind))
    return cells


def _use_one_processor() -> None:
    os.sched_setaffinity(0, {processors()[0]})
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(65_536, hard), hard))


def _connect(server: Server, turn: int) -> Client:
    headers = traffic.socket_headers(STACKS[server.name], allowed=True)
    return Client(server.port, HOST, traffic.SOCKET_PATH, headers[turn % len(headers)])


def _messages(server: Server, seconds: float) -> dict[str, Any]:
    clients = [_connect(server, turn).open() for turn in range(SOCKETS)]
    text, answer = json.dumps(traffic.CALL), REPLY.decode()
    cpu, own, started = server.cpu_seconds(), time.process_time(), time.perf_counter()
    done = exchange(clients, text, answer, seconds)
    took, own = time.perf_counter() - started, time.process_time() - own
    used = server.cpu_seconds() - cpu
    for client in clients:
        client.close()
    return {"rate": done / took, "cpu_us": used / done * 1e6, "load": own / took}


def _idle(name: str, kind: str) -> dict[str, Any]:
    server = Server(name, kind)
    try:
        server.wait()
        _messages(server, 0.3)
        return _open_many(server)
    finally:
        server.stop()


def _open_many(server: Server) -> dict[str, Any]:
    before = server.resident_kib()
    clients: list[Client] = []
    for start in range(0, IDLE_SOCKETS, AT_ONCE):
        begun = [_connect(server, start + turn) for turn in range(AT_ONCE)]
        clients += [client.open() for client in begun]
    time.sleep(1)  # what the handshakes took for a moment is given back
    after = server.resident_kib()
    for client in clients:
        client.abort()
    return {"kib": (after - before) / IDLE_SOCKETS}
