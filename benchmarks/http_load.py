"""Requests a second end to end: wrk on one processor, the server on the other, in turn and back again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

from benchmarks import traffic
from benchmarks.environment import DATA
from benchmarks.servers import KINDS, Server, processors
from benchmarks.stacks import STACKS

NAMES: Final = (
    "django",
    "django again",
    "django + corsheaders",
    "django + guard front door, heads judged",
    "django + guard front door",
)
SCENARIOS: Final = ("allowed", "refused", "preflight")
CONNECTIONS: Final = 16
_SCRIPT: Final = Path(__file__).with_name("wrk.lua")


def run(rounds: int, seconds: int) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return every round of every scenario by name of the stack and server, joined by a comma.

    Raises:
        RuntimeError: where wrk is missing or a server does not answer.
    """
    if shutil.which("wrk") is None:
        raise RuntimeError("wrk is missing; it is a package of most distributions")
    servers = [Server(name, kind) for kind in KINDS for name in NAMES]
    cells: dict[str, dict[str, list[dict[str, Any]]]] = {}
    try:
        for server in servers:
            server.wait()
        for server in servers:
            for scenario in SCENARIOS:
                _load(server, scenario, 1)
        for number in range(rounds):
            for scenario in SCENARIOS:
                for server in servers if number % 2 == 0 else servers[::-1]:
                    cell = cells.setdefault(f"{server.name}, {server.kind}", {})
                    cell.setdefault(scenario, []).append(_load(server, scenario, seconds))
    finally:
        for server in servers:
            server.stop()
    return cells


def _load(server: Server, scenario: str, seconds: int) -> dict[str, Any]:
    before = server.cpu_seconds()
    command = ["taskset", "-c", str(processors()[0]), "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s"]
    done = subprocess.run(
        [*command, "--timeout", "5s", "-s", str(_SCRIPT), f"http://127.0.0.1:{server.port}/"],
        env={**os.environ, "REQUESTS": str(_requests(server, scenario))},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    result: dict[str, Any] = json.loads(line.removeprefix("RESULT "))
    if result["broken"] or not result["requests"]:
        raise RuntimeError(f"{server.name} on {server.kind}: {line}")
    result["rate"] = result["requests"] / result["microseconds"] * 1e6
    result["cpu_us"] = (server.cpu_seconds() - before) / result["requests"] * 1e6
    return result


def _requests(server: Server, scenario: str) -> Path:
    file = DATA / f"requests-{server.name.replace(' ', '_')}-{scenario.replace(' ', '_')}"
    with file.open("wb") as out:
        for request in traffic.requests(STACKS[server.name], scenario):
            raw = traffic.raw(request)
            out.write(b"%d\n" % len(raw) + raw)
    return file
