"""The rules need nothing but the standard library, and little of that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import importlib, pkgutil, sys
import mcp_guard.policy
for module in pkgutil.iter_modules(mcp_guard.policy.__path__, "mcp_guard.policy."):
    importlib.import_module(module.name)
print(sorted({"django", "channels", "asyncio", "threading", "socket", "logging"} & set(sys.modules)))
"""


def test_the_rules_run_without_a_framework_or_a_clock():
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-c",
            f"import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r})\n{SCRIPT}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout.strip(), done.stderr) == ("[]", "")
