"""Many registered servers at once under one portal: how long until all have answered, failures, memory.

``python -m tests.servers.many [--count 50] [--level required] [--calls 5] [--server uvicorn]`` runs the small
server in as many processes and calls all of them at the same time with the SDK's client, half of them over
HTTP, half over WebSocket.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import tempfile
import time
from pathlib import Path

from tests.servers.served import Served, result, served, small

PSS = re.compile(r"^Pss: +([0-9]+) kB", re.MULTILINE)


async def _use(site: Served, name: str, calls: int, *, over_websocket: bool) -> tuple[float, float]:
    """Return the seconds until the first answer, and of each call after that."""
    began = time.monotonic()
    door = f"/ws/servers/{name}" if over_websocket else f"/servers/{name}/mcp"
    async with site.client(door, "legacy") as client:
        await result(client, "add", a=1, b=1)
        first = time.monotonic()
        for number in range(calls):
            assert await result(client, "add", a=number, b=1) == number + 1
        return first - began, (time.monotonic() - first) / max(1, calls)


def _memory(root: int) -> tuple[int, int, int]:
    """Return how many processes are below one, and the memory of it and of them, in MiB."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(folder.name))
    below, waiting = [], children.get(root, [])
    while waiting:
        pid = waiting.pop()
        below.append(pid)
        waiting = waiting + children.get(pid, [])
    return len(below), _pss(root), sum(map(_pss, below))


def _pss(pid: int) -> int:
    try:
        found = PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_text())
    except OSError:
        return 0
    return 0 if found is None else int(found[1]) // 1024


async def measure(site: Served, names: list[str], calls: int) -> list[str]:
    """Return what was measured, as lines."""
    _, portal_before, _ = _memory(site.process.pid)
    began = time.monotonic()
    uses = [_use(site, name, calls, over_websocket=bool(number % 2)) for number, name in enumerate(names)]
    found = await asyncio.gather(*uses, return_exceptions=True)
    seconds = time.monotonic() - began
    failed = [each for each in found if isinstance(each, BaseException)]
    firsts = sorted(each[0] for each in found if not isinstance(each, BaseException))
    rounds = sorted(each[1] for each in found if not isinstance(each, BaseException))
    processes, portal, boxes = _memory(site.process.pid)
    said = [
        f"servers {len(names)}, failures {len(failed)} {[repr(each)[:200] for each in failed[:3]]}",
        f"all of them had answered {1 + calls} calls after {seconds:.1f} s on {os.cpu_count()} processors",
        f"memory (PSS): portal {portal_before} MiB before, {portal} MiB then",
        f"memory (PSS): their {processes} processes {boxes} MiB",
    ]
    if firsts:
        said.append(f"first answer: median {firsts[len(firsts) // 2]:.2f} s, slowest {firsts[-1]:.2f} s")
        said.append(f"each call after that: median {rounds[len(rounds) // 2] * 1000:.0f} ms")
    return said


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--calls", type=int, default=5)
    parser.add_argument("--level", default="required")
    parser.add_argument("--server", default="uvicorn")
    options = parser.parse_args()
    names = [f"small-{number}" for number in range(options.count)]
    rows = [small(name, level=options.level, shared=True, readable=[folder()]) for name in names]
    with tempfile.TemporaryDirectory() as directory, served(options.server, Path(directory), rows) as site:
        for line in asyncio.run(measure(site, names, options.calls)):
            print(line, flush=True)


def folder() -> str:
    """Return the folder of the small server, which its process has to see."""
    from tests.servers.served import program

    return str(Path(program()).parent)


if __name__ == "__main__":
    main()
