"""Boxes start, talk over their pipes, and end."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import uvloop

from mcp_guard.sandbox.box import start
from mcp_guard.sandbox.command import Command
from mcp_guard.sandbox.confinement import Level
from tests.sandbox.machine import CONFINED, PYTHON, RUN_AS, confinement
from tests.sandbox.scene import left_behind, scene

ECHO = "import sys\nfor line in sys.stdin: print(line.upper(), end='', flush=True)"

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.sandbox


async def echo(level):
    box = await start(Command(PYTHON, ("-c", ECHO)), confinement(level))
    box.stdin.write(b"one\ntwo\n")
    lines = [await box.stdout.readline(), await box.stdout.readline()]
    return lines, await box.stop(5), await box.stderr.read()


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_program_echoes_lines_over_its_pipes(run, level):
    lines, ended, complaints = run(echo(level))

    assert lines == [b"ONE\n", b"TWO\n"]
    assert (ended.code, ended.violation) == (0, None)
    assert complaints == b""


async def test_what_it_complained_about_before_its_end_can_still_be_read():
    box = await start(Command(PYTHON, ("-c", "import sys; sys.exit('no key')")), confinement())

    ended = await box.wait()

    assert (ended.code, await box.stderr.read()) == (1, b"no key\n")
    assert (await box.stop(0)).code == 1


async def test_who_gives_up_waiting_does_not_end_the_box():
    box = await start(Command(PYTHON, ("-c", ECHO)), confinement())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(box.wait(), 0.01)

    box.stdin.write(b"still here\n")

    assert await box.stdout.readline() == b"STILL HERE\n"
    assert (await box.stop(5)).code == 0


WRITING = """
import os, subprocess, sys, tempfile
with tempfile.TemporaryDirectory() as folder:
    open(f"{folder}/one", "w").close()
    os.rename(f"{folder}/one", f"{folder}/two")
os.chdir(sys.argv[1])
open("relative", "w").write("kept")
subprocess.run(["/usr/bin/touch", "of a child"], check=True)
os.symlink("relative", "link")
open("link", "a").write(" too")
open("/dev/null", "w").write("gone")
sys.exit(int(sys.argv[2]))
"""


@pytest.mark.parametrize("level", CONFINED)
@pytest.mark.parametrize("status", [0, 7])
async def test_kill_mode_leaves_alone_who_writes_where_it_may(level, status):
    with scene() as made:
        command = Command(PYTHON, ("-c", WRITING, str(made.own), str(status)), str(made.program.parent))
        box = await start(command, made.confinement(level=level, kill=True))

        ended = await asyncio.wait_for(box.wait(), 20)

        assert (ended.code, ended.violation) == (status, None), await box.stderr.read()
        assert (made.own / "relative").read_text() == "kept too"
        assert (made.own / "of a child").exists()
        await box.stop(0)


@pytest.mark.parametrize("level", CONFINED)
@pytest.mark.parametrize(("signal", "status"), [(15, 143), (9, 137)])
async def test_kill_mode_passes_on_the_signal_that_ended_it(level, signal, status):
    killing = f"import os; os.kill(os.getpid(), {signal})"
    box = await start(Command(PYTHON, ("-c", killing)), confinement(level, kill=True))

    assert (await asyncio.wait_for(box.wait(), 20)).code == status
    await box.stop(0)


PORTAL = """
import asyncio, sys
from mcp_guard.sandbox.box import start
from mcp_guard.sandbox.command import Command
from mcp_guard.sandbox.confinement import Level
from tests.sandbox.machine import PYTHON, confinement

async def main():
    run_as = tuple(map(int, sys.argv[3:])) or None
    limits = confinement(Level(sys.argv[1]), kill=sys.argv[2] == "kill", run_as=run_as)
    waiting = "import time; print('up', flush=True); time.sleep(600)"
    box = await start(Command(PYTHON, ("-c", waiting)), limits)
    print((await box.stdout.readline()).decode(), end="", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.mark.parametrize("level", CONFINED)
@pytest.mark.parametrize("mode", ["kill", "refuse"])
def test_a_box_ends_with_a_portal_that_is_killed(level, mode):
    command = [sys.executable, "-c", PORTAL, level.value, mode, *map(str, RUN_AS or ())]
    with scene() as made:
        environment = {**os.environ, "TMPDIR": str(made.root)}
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) as portal:
            assert portal.stdout.readline() == b"up\n"
            portal.kill()

        deadline = time.monotonic() + 10
        while left_behind() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not left_behind()
