"""Messages a second over WebSockets end to end, and what an idle one keeps in memory.

The client is Python as well and may be the slower side; then the rate of the quicker stack is too low.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import time
from typing import Any, Final

import websockets

from benchmarks import traffic
from benchmarks.credentials import HOST
from benchmarks.servers import KINDS, Server, processors
from benchmarks.stacks import STACKS

NAMES: Final = ("socket", "socket again", "socket + guard", "socket + guard, own loop")
IDLE: Final = ("socket", "socket + guard", "socket + guard, own loop")
SOCKETS: Final = 8
IDLE_SOCKETS: Final = 1_000

Cells = dict[str, dict[str, list[dict[str, Any]]]]


def run(rounds: int, seconds: float) -> Cells:
    """Return every round by stack and server, joined by a comma, under ``message`` and ``idle``."""
    _use_one_processor()
    cells: Cells = {}
    servers = [Server(name, kind) for kind in KINDS for name in NAMES]
    try:
        for server in servers:
            server.wait()
            asyncio.run(_messages(server, 0.3))
        for number in range(rounds):
            for server in servers if number % 2 == 0 else servers[::-1]:
                cell = cells.setdefault(f"{server.name}, {server.kind}", {"message": [], "idle": []})
                cell["message"].append(asyncio.run(_messages(server, seconds)))
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


async def _connect(server: Server, turn: int) -> websockets.ClientConnection:
    headers = traffic.socket_headers(STACKS[server.name], allowed=True)
    chosen = dict(headers[turn % len(headers)])
    return await websockets.connect(
        f"ws://{HOST}{traffic.SOCKET_PATH}",
        host="127.0.0.1",
        port=server.port,
        origin=chosen["origin"],  # type: ignore[arg-type] # a NewType of str
        additional_headers={"authorization": chosen["authorization"]},
        compression=None,
        ping_interval=None,
        open_timeout=30,
        proxy=None,
    )


async def _messages(server: Server, seconds: float) -> dict[str, Any]:
    sockets = [await _connect(server, turn) for turn in range(SOCKETS)]
    text, counts = json.dumps(traffic.CALL), [0] * SOCKETS
    end = time.perf_counter() + seconds

    async def ask(turn: int) -> None:
        socket = sockets[turn]
        while time.perf_counter() < end:
            await socket.send(text)
            await socket.recv()
            counts[turn] += 1

    cpu, started = server.cpu_seconds(), time.perf_counter()
    await asyncio.gather(*map(ask, range(SOCKETS)))
    took, done = time.perf_counter() - started, sum(counts)
    used = server.cpu_seconds() - cpu
    for socket in sockets:
        await socket.close()
    return {"rate": done / took, "cpu_us": used / done * 1e6}


def _idle(name: str, kind: str) -> dict[str, Any]:
    server = Server(name, kind)
    try:
        server.wait()
        asyncio.run(_messages(server, 0.3))
        return asyncio.run(_open_many(server))
    finally:
        server.stop()


async def _open_many(server: Server) -> dict[str, Any]:
    before = server.resident_kib()
    sockets: list[websockets.ClientConnection] = []
    for start in range(0, IDLE_SOCKETS, 50):
        sockets += await asyncio.gather(*(_connect(server, start + turn) for turn in range(50)))
    await asyncio.sleep(1)  # what the handshakes took for a moment is given back
    after = server.resident_kib()
    for socket in sockets:
        socket.transport.abort()
    return {"kib": (after - before) / IDLE_SOCKETS}
