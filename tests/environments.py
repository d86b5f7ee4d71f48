"""Virtual environments besides the one that the tests run in, and the wheel to install there."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
CACHE: Final = ROOT / "var" / "environments"


@dataclass(frozen=True)
class Environment:
    """A virtual environment in a folder."""

    folder: Path

    def program(self, name: str) -> str:
        """Return the path of an installed program."""
        return str(self.folder / "bin" / name)

    @property
    def variables(self) -> dict[str, str]:
        """Variables under which its programs are found first, and nothing of the checkout is."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "DJANGO_"))
        }
        return kept | {"PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}

    def run(self, *command: str, folder: Path, variables: Mapping[str, str] | None = None) -> str:
        """Run a program in a folder and return what it printed."""
        done = subprocess.run(
            [self.program(command[0]), *command[1:]],
            cwd=folder,
            env={**self.variables, **(variables or {})},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout


def make_environment(folder: Path, *requirements: str) -> Environment:
    """Return a new environment with these packages."""
    environment = Environment(folder)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", environment.program("python")]
    subprocess.run([*pip, "install", "-q", "--no-compile", *requirements], check=True)
    return environment


def cached_environment(*requirements: str) -> Environment:
    """Return an environment with these packages, made only where there is none yet."""
    key = "\n".join([sys.version, *requirements])
    folder = CACHE / hashlib.sha256(key.encode()).hexdigest()[:16]
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        make_environment(folder, *requirements)
        (folder / "complete").touch()
    return Environment(folder)


def build_wheel(folder: Path) -> Path:
    """Build the wheel from a copy of what is in the repository, and return its path."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    source = folder / "source"
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(source)]
    subprocess.run(build, check=True)
    [wheel] = folder.glob("*.whl")
    return wheel
