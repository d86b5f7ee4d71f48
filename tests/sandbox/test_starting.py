"""What is refused before anything is executed, and why a start failed."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from mcp_guard.sandbox import bubblewrap, needs
from mcp_guard.sandbox.box import start
from mcp_guard.sandbox.command import Command, CommandRefusedError
from mcp_guard.sandbox.confinement import Confinement, ConfinementUnavailableError, Level
from mcp_guard.sandbox.interpreter import Interpreter, interpreter
from mcp_guard.sandbox.limits import limits
from tests.sandbox.machine import CONFINED, RUN_AS, confinement
from tests.sandbox.scene import scene


def test_root_names_a_user_and_nobody_else_can(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(ConfinementUnavailableError, match="runs as root"):
        needs.user_of(Confinement(level=Level.UNCONFINED))
    assert needs.user_of(Confinement(run_as=(1000, 1001))) == (1000, 1001)

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getegid", lambda: 1001)
    assert needs.user_of(Confinement()) == (1000, 1001)
    with pytest.raises(ConfinementUnavailableError, match="only a portal that runs as root"):
        needs.user_of(Confinement(run_as=(1001, 1001)))


@pytest.mark.sandbox
def test_a_missing_bubblewrap_is_named_with_what_to_install(monkeypatch):
    monkeypatch.setattr(bubblewrap, "PROGRAM", "/usr/bin/no-bwrap")

    with pytest.raises(ConfinementUnavailableError, match="no-bwrap is missing: install bubblewrap"):
        needs.check(confinement())


@pytest.mark.sandbox
@pytest.mark.parametrize(("version", "why"), [(0, "version 0"), (2, "3 .Linux 6.2. is needed")])
def test_a_landlock_that_is_too_old_is_named(version, why, monkeypatch):
    monkeypatch.setattr("mcp_guard.sandbox.inside.landlock.version", lambda: version)

    with pytest.raises(ConfinementUnavailableError, match=why):
        needs.check(confinement(Level.LANDLOCK))


def test_a_box_is_started_on_the_main_thread_alone():
    said = []

    def elsewhere():
        try:
            asyncio.run(start(Command("/usr/bin/true"), confinement(Level.UNCONFINED)))
        except ConfinementUnavailableError as error:
            said.append(str(error))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()

    assert said == ["a box is started from the main thread: it ends with its thread"]


def test_limits_bound_memory_and_processes_where_no_cgroup_does():
    alone = limits(confinement(), memory=True, processes=True, others=10)
    grouped = limits(confinement(), memory=False, processes=False)

    assert alone["RLIMIT_NPROC"] == (78, 78)
    assert {"RLIMIT_DATA", "RLIMIT_AS", "RLIMIT_NPROC"} == alone.keys() - grouped.keys()
    assert grouped["RLIMIT_CORE"] == (0, 0)
    assert grouped["RLIMIT_CPU"] == (600, 605)


def test_a_python_that_the_user_cannot_reach_is_not_taken(tmp_path, monkeypatch):
    hidden = tmp_path / "python3"
    hidden.write_text("")
    hidden.chmod(0o755)
    tmp_path.chmod(0o700)
    candidates = [Interpreter(str(hidden))]
    monkeypatch.setattr("mcp_guard.sandbox.interpreter._candidates", lambda: iter(candidates))

    assert interpreter(61005, 61005) is None


@pytest.mark.sandbox
@pytest.mark.parametrize("level", CONFINED)
async def test_a_program_that_the_kernel_does_not_take_is_refused(level):
    with scene() as made:
        program = made.root / "server" / "broken"
        program.write_bytes(b"\x7fELF and no program")
        program.chmod(0o755)
        with pytest.raises(CommandRefusedError, match="cannot be executed: Exec format error"):
            await start(Command(str(program)), made.confinement(level=level))


@pytest.mark.sandbox
async def test_why_bubblewrap_failed_is_said_and_nothing_is_executed(tmp_path, monkeypatch):
    with scene() as made:
        failing = made.root / "bwrap"
        failing.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
        failing.chmod(0o755)
        monkeypatch.setattr(bubblewrap, "PROGRAM", str(failing))
        with pytest.raises(
            ConfinementUnavailableError, match=r"No permissions to create.*userns_clone=1.*landlock"
        ):
            await start(made.command(), made.confinement())


@pytest.mark.sandbox
async def test_a_path_that_became_a_link_is_refused(tmp_path):
    with scene() as made:
        limits_ = made.confinement()
        made.own.rmdir()
        made.own.symlink_to("/var")
        with pytest.raises(CommandRefusedError, match="reached by a link"):
            await start(made.command(), limits_)


@pytest.mark.sandbox
async def test_a_program_in_a_writable_folder_is_refused():
    with scene() as made:
        own = made.own / "server"
        own.write_text("#!/bin/sh\n")
        own.chmod(0o755)
        made.own.chmod(0o755)
        with pytest.raises(CommandRefusedError, match="replaced by itself"):
            await start(Command(str(own)), made.confinement())


@pytest.mark.sandbox
@pytest.mark.parametrize("level", Level)
async def test_secrets_are_in_no_command_line_and_the_portals_environment_in_no_box(level, monkeypatch):
    monkeypatch.setenv("PORTAL_SECRET", "of the portal")
    printing = "import os; print(sorted(os.environ.items()), flush=True); input()"
    command = Command("/usr/bin/python3", ("-c", printing), "/", {"API_KEY": "of the server"})
    box = await start(command, confinement(level))

    environment = (await box.stdout.readline()).decode()
    lines = _command_lines()
    await box.stop(5)

    assert "of the server" in environment
    assert "of the portal" not in environment
    assert not [line for line in lines if "of the server" in line]


def _command_lines():
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                found.append((entry / "cmdline").read_text("utf-8", "replace"))
            except OSError:
                continue
    return found


@pytest.mark.sandbox
@pytest.mark.parametrize("level", CONFINED)
async def test_nothing_stays_behind_a_box(level):
    with scene() as made:
        box = await start(made.command(), made.confinement(level=level))
        folders = [path for path in box._cgroups.folders.values() if path.exists()]
        await box.stop(0)

        assert (await box.wait()).code == 137
        assert not [path for path in folders if path.exists()]
        assert RUN_AS is None or folders
