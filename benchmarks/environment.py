"""An environment of their own for the benchmarks, so that no peer ends up among the project's packages."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
DATA: Final = ROOT / "var" / "benchmarks"
REQUIREMENTS: Final = Path(__file__).with_name("requirements.txt")
INSIDE: Final = "MCP_GUARD_BENCHMARKS_INSIDE"
"""Set for processes that run in the environment."""


def python() -> Path:
    """Return the interpreter of the environment, which is made when it is missing or out of date."""
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()
    folder, mark = DATA / "venv", DATA / "venv" / "requirements.sha256"
    interpreter = folder / "bin" / "python"
    if mark.exists() and mark.read_text() == wanted:
        return interpreter
    print("installing the peers into var/benchmarks/venv", flush=True)
    venv.create(folder, with_pip=True, clear=True)
    subprocess.run([interpreter, "-m", "pip", "install", "-q", "-r", REQUIREMENTS], check=True)
    mark.write_text(wanted)
    return interpreter


def enter() -> None:
    """Go on in the environment: replace this process by one of its interpreter, once."""
    if os.environ.get(INSIDE) != "1":
        interpreter = str(python())
        os.environ[INSIDE] = "1"
        os.chdir(ROOT)
        os.execv(interpreter, [interpreter, "-m", "benchmarks", *sys.argv[1:]])
