"""Where this process may make control groups, by controller.

Sources: ``admin-guide/cgroup-v2.rst`` and ``cgroup-v1/`` of Linux; ``systemd.resource-control(5)``.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path("/sys/fs/cgroup")
OWN: Final = Path("/proc/self/cgroup")
CONTROLLERS: Final = ("memory", "pids", "cpu", "cpuacct")


def parents(own: Path = OWN, root: Path = ROOT) -> dict[str, Path]:
    """Return, for each controller, the folder in which this process would make a group.

    Version 1 has a tree for each controller. Version 2 has one: a group that holds processes has no limited
    groups below it, so where this process is in a group of its own (``DelegateSubgroup=`` of systemd) its
    neighbours are made beside it. Groups that were not handed down are left alone.
    """
    found: dict[str, Path] = {}
    for line in own.read_text("ascii").splitlines():
        _, names, path = line.split(":", 2)
        if not names:
            found.update(_version_2(root / path.lstrip("/"), root))
        for name in set(names.split(",")) & set(CONTROLLERS):
            found[name] = root / name / path.lstrip("/")
    return {name: folder for name, folder in found.items() if os.access(folder, os.W_OK)}


def _version_2(group: Path, root: Path) -> Iterator[tuple[str, Path]]:
    for folder in (group.parent, group) if group != root and _delegated(group.parent) else (group,):
        enabled = _enabled(folder)
        if "memory" in enabled or "pids" in enabled:
            yield from ((name, folder) for name in CONTROLLERS if name in enabled)
            return


def _delegated(folder: Path) -> bool:
    """Whether systemd has handed a group down for others to divide (``systemd.resource-control(5)``)."""
    for name in ("user.delegate", "trusted.delegate"):
        with contextlib.suppress(OSError):
            return os.getxattr(folder, name) == b"1"
    return False


def _enabled(folder: Path) -> list[str]:
    """Return the controllers that groups below this one have, and hand down those that it may."""
    control = folder / "cgroup.subtree_control"
    for name in ("memory", "pids", "cpu"):
        with contextlib.suppress(OSError):
            control.write_text(f"+{name}", "ascii")
    try:
        return control.read_text("ascii").split()
    except OSError:
        return []
