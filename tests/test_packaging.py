"""What is installed is what is declared, and the package does without what it calls optional."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
POLICY = sorted((ROOT / "mcp_guard" / "policy").glob("**/*.py"))

PURE = {
    "__future__", "array", "base64", "binascii", "collections", "dataclasses", "enum", "functools", "hashlib",
    "ipaddress", "itertools", "json", "math", "re", "string", "typing", "unicodedata", "mcp_guard.policy",
}  # fmt: skip
"""What policy may import: nothing that reads, waits, draws lots or knows a framework."""

OPTIONAL = ("mcp", "daphne", "twisted", "uvicorn", "starlette", "redis", "channels_redis", "psycopg",
            "prometheus_client", "httpx2", "pyseccomp", "pytest")  # fmt: skip

WITH_EXTRA = ("mcp_guard.audit.https", "mcp_guard.metrics", "mcp_guard.testing")
"""Modules that are nothing without an extra or a test runner, besides those of ``mcp_guard.mcp``."""

IMPORT_ALL = """
import importlib, pkgutil, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {optional!r}:
            raise ImportError(f"{{name}} is not installed")

sys.meta_path.insert(0, Blocked())
import django
django.setup()
import mcp_guard
found = [module.name for module in pkgutil.walk_packages(mcp_guard.__path__, "mcp_guard.")]
names = [name for name in found if not name.startswith("mcp_guard.mcp.") and name not in {excused!r}]
for name in names:
    importlib.import_module(name)
print(len(names))
"""


def required(lines):
    return {re.split(r"[^A-Za-z0-9_.-]", line)[0].lower() for line in lines if line.strip()}


def groups(entries):
    return [entry for entry in entries if isinstance(entry, str)]


def test_requirements_name_what_the_package_and_its_checks_declare():
    project, declared = PYPROJECT["project"], PYPROJECT["dependency-groups"]
    wanted = required(project["dependencies"])
    wanted |= required(name for extra in project["optional-dependencies"].values() for name in extra)
    wanted |= required(name for group in declared.values() for name in groups(group))
    lines = [
        line
        for name in ("requirements.txt", "requirements-checks.txt")
        for line in (ROOT / name).read_text("utf-8").splitlines()
    ]

    assert required(line for line in lines if not line.startswith(("#", "-r "))) == wanted


def test_every_module_imports_without_the_extras():
    program = IMPORT_ALL.format(optional=OPTIONAL, excused=WITH_EXTRA)

    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"DJANGO_SETTINGS_MODULE": "tests.settings", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 40


@pytest.mark.parametrize("path", POLICY, ids=lambda path: path.name)
def test_policy_imports_nothing_but_values(path):
    tree = ast.parse(path.read_text("utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    outside = {
        name for name in imported if not any(name == pure or name.startswith(f"{pure}.") for pure in PURE)
    }

    assert not outside
