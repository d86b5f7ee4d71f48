"""Run the parts, keep every round, and report."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks import databases, http_load, inprocess, socket_load
from benchmarks.environment import DATA
from benchmarks.ratios import LIMITS, ratios
from benchmarks.report import markdown, picture


class Effort(NamedTuple):
    """How long is measured: rounds, milliseconds and seconds of each cell."""

    rounds: int
    milliseconds: float
    load_rounds: int
    load_seconds: int


QUICK: Final = Effort(5, 40, 2, 1)
WHOLE: Final = Effort(21, 80, 9, 2)
LOADS: Final = {"http": http_load.run, "sockets": socket_load.run}
PARTS: Final = (*inprocess.GROUPS, "memory", *LOADS)


def main() -> None:
    """Run what the command line asks for; exit with 1 when a floor is missed and this was to be checked."""
    options = _options()
    DATA.mkdir(parents=True, exist_ok=True)
    effort = QUICK if options.quick else WHOLE
    parts = options.only or list(PARTS)
    databases.make(_sizes(parts))
    processors = os.sched_getaffinity(0)
    raw: dict[str, Any] = {}
    for part in parts:
        print(f"measuring: {part}", flush=True)
        raw[part] = _measure(part, effort)
        os.sched_setaffinity(0, processors)
    _report(raw, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few short rounds: a look, no measurement")
    parser.add_argument("--json", type=Path, help="where the ratios go as JSON")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=f"of: {', '.join(PARTS)}")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a floor is missed")
    return parser.parse_args()


def _sizes(parts: list[str]) -> list[str]:
    """Return which databases the parts need."""
    return ["10", "1k", "origins", "tokens"] if {"pure", "memory"} & {*parts} else ["10", "1k"]


def _measure(part: str, effort: Effort) -> Any:
    if part in inprocess.GROUPS:
        return inprocess.run(inprocess.GROUPS[part], effort.rounds, effort.milliseconds)
    if part in LOADS:
        return LOADS[part](effort.load_rounds, effort.load_seconds)
    return [_memory() for _ in range(3)]


def _memory() -> dict[str, Any]:
    process = inprocess.Process("null + guard, 1M tokens", "asgi")
    try:
        return process.ask("memory")
    finally:
        process.stop()


def _report(raw: dict[str, Any], options: argparse.Namespace) -> None:
    found = ratios(raw)
    (DATA / "raw.json").write_text(json.dumps(raw))
    command = shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]])
    report = markdown(found, raw, command)
    (DATA / "report.md").write_text(report)
    (DATA / "report.svg").write_text(picture(found))
    if options.json is not None:
        options.json.write_text(json.dumps({"ratios": found}, indent=1) + "\n")
    print(report.partition("## Medians")[0])
    print("Everything is in var/benchmarks: raw.json, report.md, report.svg")
    if options.check and not all(LIMITS[key].holds(found[key]) for key in LIMITS if key in found):
        sys.exit(1)
