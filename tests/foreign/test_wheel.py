"""What the wheel holds, and that it is of use without any extra."""

from __future__ import annotations

import subprocess
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.environments import ROOT, make_environment

pytestmark = pytest.mark.packaging

ALONE = """
import django, mcp_guard
from django.conf import settings

settings.configure(
    SECRET_KEY="wheel",
    ALLOWED_HOSTS=["example.com"],
    INSTALLED_APPS=[
        "mcp_guard", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    MCP_GUARD={"ENDPOINTS": {"tools": {"profile": "token"}}},
)
django.setup()
from django.core.management import call_command

call_command("migrate", verbosity=0)
call_command("check")
import mcp_guard.asgi
import mcp_guard.http.middleware

print(mcp_guard.__file__)
"""


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    return {name for name in ZipFile(wheel).namelist() if not name.endswith("/")}


def kept(pattern: str) -> set[str]:
    """Return the files of the package in the repository that a pattern fits."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", f"mcp_guard/{pattern}"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(listed.stdout.split())


@pytest.mark.parametrize("pattern", ["*.py", "migrations/*.py", "templates/*", "static/*", "py.typed"])
def test_the_wheel_holds_the_package(names: set[str], pattern: str):
    wanted = kept(pattern)

    assert wanted
    assert wanted <= names


def test_the_wheel_holds_nothing_else(names: set[str]):
    others = {name for name in names if not name.startswith("mcp_guard/")}

    assert {name.partition("/")[0].rpartition(".")[2] for name in others} == {"dist-info"}
    assert {name.rpartition("/")[2] for name in others} >= {"METADATA", "LICENSE"}


def test_the_package_alone_starts(wheel: Path, tmp_path: Path):
    environment = make_environment(tmp_path / "environment", str(wheel))

    printed = environment.run("python", "-c", ALONE, folder=tmp_path)

    assert Path(printed.splitlines()[-1]).is_relative_to(tmp_path)
