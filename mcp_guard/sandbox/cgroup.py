"""Control groups of a box: limits of all its processes together, counted, and killed together.

Sources: ``Documentation/admin-guide/cgroup-v2.rst`` and ``cgroup-v1/`` of Linux.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from mcp_guard.sandbox.confinement import Confinement
from mcp_guard.sandbox.ended import Usage
from mcp_guard.sandbox.hierarchy import OWN, ROOT, parents
from mcp_guard.sandbox.limits import OWN_PROCESSES

PREFIX: Final = "mcp_guard"
PERIOD_US: Final = 100_000
LEAVE_SECONDS: Final = 2.0
ASK_SECONDS: Final = 0.005

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Cgroups:
    """The groups of one box: a folder per controller, the same for all where they share one."""

    folders: Mapping[str, Path]

    @property
    def has_memory(self) -> bool:
        """Whether the memory of the box is bounded here."""
        return "memory" in self.folders

    @property
    def has_processes(self) -> bool:
        """Whether its processes are counted here."""
        return "pids" in self.folders

    @property
    def entrances(self) -> list[str]:
        """Files into which a process writes 0 to join."""
        return [str(folder / "cgroup.procs") for folder in self._distinct()]

    def usage(self) -> Usage:
        """Return what was counted so far."""
        return Usage(
            _count(self.folders.get("memory"), "oom_kill", "memory.events", "memory.oom_control"),
            _count(self.folders.get("pids"), "max", "pids.events"),
            _cpu_seconds(self.folders),
        )

    def kill(self) -> None:
        """Kill every process of the box, also those that it has hidden from its parent."""
        for folder in self._distinct():
            if (folder / "cgroup.kill").exists():  # version 2, Linux 5.14
                with contextlib.suppress(OSError):
                    (folder / "cgroup.kill").write_text("1", "ascii")
            for process in _processes(folder):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)

    async def remove(self) -> None:
        """Kill what is left, and remove the groups once it has gone."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + LEAVE_SECONDS
        left = self._distinct()
        while left and loop.time() < deadline:
            self.kill()
            left = [folder for folder in left if not _removed(folder)]
            if left:
                await asyncio.sleep(ASK_SECONDS)

    def _distinct(self) -> list[Path]:
        return list(dict.fromkeys(self.folders.values()))


def create(confinement: Confinement, own: Path = OWN, root: Path = ROOT) -> Cgroups:
    """Make the groups that this process may make, with the limits of a box; none where it may make none."""
    name = f"{PREFIX}-{os.getpid()}-{next(_numbers)}"
    folders: dict[str, Path] = {}
    for controller, parent in parents(own, root).items():
        folder = parent / name
        _sweep(parent)
        try:
            folder.mkdir(exist_ok=True)
            for file, text in _limits(controller, folder, confinement):
                (folder / file).write_text(text, "ascii")
        except OSError:
            if folder not in folders.values():
                _removed(folder)
            continue
        folders[controller] = folder
    return Cgroups(folders)


@cache
def _sweep(parent: Path) -> None:
    """Kill and remove, once, what is left of the boxes of a portal that was killed."""
    for folder in parent.glob(f"{PREFIX}-*-*"):
        owner = folder.name.split("-")[1]
        if owner.isdecimal() and not Path("/proc", owner).exists():
            Cgroups({"": folder}).kill()
            _removed(folder)


def _limits(controller: str, folder: Path, confinement: Confinement) -> Iterator[tuple[str, str]]:
    """Return the files of a controller and what is written into them, those of the version that is there."""
    processes = str(confinement.processes + OWN_PROCESSES)
    quota = confinement.cpu_percent * PERIOD_US // 100
    match controller:
        case "memory" if (folder / "memory.max").exists():
            yield "memory.max", str(confinement.memory_bytes)
            if (folder / "memory.swap.max").exists():
                yield "memory.swap.max", "0"
        case "memory":
            yield "memory.limit_in_bytes", str(confinement.memory_bytes)
            if (folder / "memory.memsw.limit_in_bytes").exists():
                yield "memory.memsw.limit_in_bytes", str(confinement.memory_bytes)
        case "pids":
            yield "pids.max", processes
        case "cpu" if (folder / "cpu.max").exists():
            yield "cpu.max", f"{quota} {PERIOD_US}"
        case "cpu":
            yield "cpu.cfs_period_us", str(PERIOD_US)
            yield "cpu.cfs_quota_us", str(quota)
        case _:
            return


def _count(folder: Path | None, name: str, *files: str) -> int:
    """Return a number from the first of the files that is there, each with a name and a number per line."""
    if folder is None:
        return 0
    for file in files:
        try:
            lines = [line.split() for line in (folder / file).read_text("ascii").splitlines()]
        except OSError:
            continue
        return next((int(line[1]) for line in lines if line[0] == name), 0)
    return 0


def _cpu_seconds(folders: Mapping[str, Path]) -> float:
    try:
        if "cpuacct" in folders:
            return int((folders["cpuacct"] / "cpuacct.usage").read_text("ascii")) / 1e9
    except OSError:
        return 0.0
    return _count(folders.get("cpu"), "usage_usec", "cpu.stat") / 1e6


def _processes(folder: Path) -> list[int]:
    """Return those that this process can see: the others are 0, which for ``kill`` is its own group."""
    try:
        found = [int(line) for line in (folder / "cgroup.procs").read_text("ascii").split()]
    except OSError:
        return []
    return [process for process in found if process]


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
