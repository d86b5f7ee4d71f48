"""Measure what a box costs beside a plain start of the same program: ``python -m tests.sandbox.measure``.

Starts of every kind alternate within one run, so that whatever else the machine does meets all of them alike.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final

from mcp_guard.sandbox.box import Box, start
from mcp_guard.sandbox.command import Command
from mcp_guard.sandbox.confinement import Level
from tests.sandbox.machine import PYTHON, confinement

PLAIN: Final = "plain"
"""What somebody would write who starts it alone: ``asyncio.create_subprocess_exec``."""

KINDS: Final = (PLAIN, *(level.value for level in Level))
ECHO: Final = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"
ARGUMENTS: Final = ("-I", "-S", "-c", ECHO)
LINE: Final = b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo"}}\n'


async def _started(kind: str) -> Any:
    if kind != PLAIN:
        return await start(Command(PYTHON, ARGUMENTS), confinement(Level(kind)))
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(PYTHON, *ARGUMENTS, stdin=pipe, stdout=pipe, stderr=pipe)


async def _echo(process: Any) -> float:
    begun = time.perf_counter()
    process.stdin.write(LINE)
    line = await process.stdout.readline()
    assert line == LINE, line
    return time.perf_counter() - begun


async def _end(process: Any) -> None:
    if isinstance(process, Box):
        await process.stop(5)
    else:
        process.stdin.close()
        await process.wait()


async def starts(rounds: int) -> dict[str, list[float]]:
    """Return, for each kind, seconds from the order to start until the first line was answered."""
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(rounds):
        for kind in KINDS:
            begun = time.perf_counter()
            process = await _started(kind)
            await _echo(process)
            found[kind].append(time.perf_counter() - begun)
            await _end(process)
    return found


async def round_trips(rounds: int) -> dict[str, list[float]]:
    """Return, for each kind, seconds for one line there and back."""
    processes = {kind: await _started(kind) for kind in KINDS}
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(rounds):
        for kind, process in processes.items():
            found[kind].append(await _echo(process))
    for process in processes.values():
        await _end(process)
    return found


async def many(boxes: int) -> dict[str, Any]:
    """Start boxes at once; return how long it took, how many failed, and how much memory all of it holds."""
    begun = time.perf_counter()
    made = await asyncio.gather(
        *(_started(Level.REQUIRED.value) for _ in range(boxes)), return_exceptions=True
    )
    running = [one for one in made if isinstance(one, Box)]
    await asyncio.gather(*map(_echo, running))
    seconds = time.perf_counter() - begun
    memory = _memory({box.pid for box in running})
    await asyncio.gather(*map(_end, running))
    return {"boxes": boxes, "failed": boxes - len(running), "seconds": seconds, "mib": memory / 2**20}


def _memory(roots: set[int]) -> int:
    """Return the bytes (proportional set size) of processes and all that they have started."""
    parents = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    family = set(roots)
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(map(_proportional, family))


def _proportional(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def summary(found: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Return median and 95th percentile in milliseconds, and the median's ratio to the plain start."""
    plain = median(found[PLAIN])
    return {
        kind: {
            "median_ms": median(times) * 1000,
            "p95_ms": quantiles(times, n=20)[-1] * 1000,
            "ratio": median(times) / plain,
        }
        for kind, times in found.items()
    }


async def measure(rounds: int, lines: int, boxes: int) -> dict[str, Any]:
    """Return all figures of one run."""
    await starts(2)
    return {
        "cores": os.cpu_count(),
        "start": summary(await starts(rounds)),
        "round_trip": summary(await round_trips(lines)),
        "many": await many(boxes),
    }


def main() -> None:
    """Measure, and print or write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=30)
    parser.add_argument("--lines", type=int, default=2000)
    parser.add_argument("--boxes", type=int, default=50)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    text = json.dumps(asyncio.run(measure(options.starts, options.lines, options.boxes)), indent=2)
    if options.json:
        options.json.write_text(text + "\n", "utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
