"""The probe, and the command that prints it: what a real box holds off, and a level that is not there."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from mcp_guard import sandbox
from mcp_guard.sandbox import needs
from mcp_guard.sandbox.confinement import ConfinementUnavailableError, Level
from mcp_guard.sandbox.probe import probe
from tests.operators.command_line import runner
from tests.sandbox.machine import CONFINED, PYTHON, RUN_AS, confinement
from tests.sandbox.scene import scene

AS_ORDINARY_USER = """
import asyncio, subprocess, sys
sys.path.insert(0, sys.argv[1])
from mcp_guard.sandbox import probe
from mcp_guard.sandbox.confinement import Confinement, Level

others = [subprocess.Popen(["/usr/bin/sleep", "60"]) for _ in range(40)]
start = probe.start

async def start_before_others_end(*arguments):
    box = await start(*arguments)
    while others:
        ended = others.pop()
        ended.kill()
        ended.wait()
    return box

probe.start = start_before_others_end
found = asyncio.run(probe.probe(Confinement(level=Level(sys.argv[2]))))
print([one for one in found if one.promised and not one.contained] or "nothing broken")
"""
"""The probe of a user who ran other processes when the box was planned, which have ended since."""


@pytest.fixture
def run(monkeypatch):
    return runner(monkeypatch)


@pytest.mark.sandbox
@pytest.mark.parametrize("level", CONFINED)
async def test_a_real_box_keeps_what_its_level_promises(level):
    found = {one.name: one for one in await probe(confinement(level))}

    assert len(found) >= 20
    assert not [one for one in found.values() if one.promised and not one.contained]
    assert found["fill /tmp"].contained is (level is Level.REQUIRED)


@pytest.mark.sandbox
@pytest.mark.parametrize("level", Level)
def test_an_ordinary_user_confines_without_any_help_of_root(level):
    import pyseccomp

    with scene() as made:
        library = made.root / "library"
        shutil.copytree(Path(sandbox.__file__).parent, library / "mcp_guard" / "sandbox")
        shutil.copy(pyseccomp.__file__, library)
        for path in (library, *library.rglob("*")):
            path.chmod(0o755)
        done = subprocess.run(
            [PYTHON, "-B", "-c", AS_ORDINARY_USER, library, level],
            **({"user": RUN_AS[0], "group": RUN_AS[1], "extra_groups": []} if RUN_AS else {}),
            cwd="/",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert (done.returncode, done.stdout) == (0, "nothing broken\n"), done.stderr


@pytest.mark.sandbox
async def test_without_a_confinement_the_probe_says_what_is_open():
    found = {one.name: one for one in await probe(confinement(Level.UNCONFINED))}

    for name in ("read a file of the machine", "connect by TCP", "make system calls without a filter"):
        assert not found[name].contained
    assert not [one for one in found.values() if one.promised and not one.contained]


@pytest.mark.sandbox
def test_a_confinement_that_stops_nothing_does_not_pass_for_one(run, monkeypatch):
    started = []

    def loosened(confined):
        started.append(confined)
        return b""

    monkeypatch.setattr(needs, "filter_for", loosened)

    result = run("sandbox", "check", *_account(), "--json")

    broken = [one["name"] for one in result.data["findings"] if one["promised"] and not one["contained"]]
    assert started
    assert (result.status, result.data["available"]) == (1, False)
    assert "make system calls without a filter" in broken
    assert "the level promises to stop it" in result.err


@pytest.mark.sandbox
def test_the_command_prints_a_line_for_each_attempt(run):
    result = run("sandbox", "check", *_account())

    assert result.status == 0, result.err
    assert result.out.startswith("level required: available\nATTEMPT")
    assert " NO " not in result.out


def test_a_level_that_is_not_there_exits_with_its_reason(run, monkeypatch):
    def missing(_confinement):
        raise ConfinementUnavailableError("/usr/bin/bwrap is missing: install bubblewrap")

    monkeypatch.setattr(needs, "check", missing)

    result = run("sandbox", "check", "--level", "required", "--json")

    assert result.status == 1
    assert result.data == {
        "level": "required",
        "available": False,
        "reason": "/usr/bin/bwrap is missing: install bubblewrap",
        "findings": [],
    }


@pytest.mark.parametrize("user", ["root", "no-such-user"])
def test_a_user_that_no_server_may_run_as_is_bad_input(run, user):
    result = run("sandbox", "check", "--run-as", user, "--json")

    assert result.status == 2
    assert "run_as" in result.fields


def _account():
    return ("--run-as", "nobody") if confinement().run_as else ()
