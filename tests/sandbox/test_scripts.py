"""A script is run by what its first line names: that is checked as it is, and the box has to show it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from mcp_guard.sandbox.command import Command, CommandRefusedError, resolve
from mcp_guard.sandbox.confinement import Confinement, Level
from mcp_guard.sandbox.filesystem import view
from mcp_guard.sandbox.script import MOST, interpreters


@pytest.fixture
def write(tmp_path):
    def write(name: str, first: str | bytes, mode: int = 0o755) -> str:
        path = tmp_path / name
        path.write_bytes(first if isinstance(first, bytes) else f"{first}\n".encode())
        path.chmod(mode)
        return str(path)

    return write


@pytest.mark.parametrize(
    ("first", "named"),
    [
        ("#!/usr/bin/env python3", ["/usr/bin/env"]),
        ("#! /bin/sh -e", ["/bin/sh"]),
        ("#!", []),
        (b"\x7fELF", []),
        (b"", []),
        (b"#!/bin/sh", ["/bin/sh"]),
    ],
)
def test_the_first_line_names_what_runs_a_script(write, first, named):
    assert interpreters(write("script", first)) == named


def test_scripts_that_run_scripts_are_followed_as_far_as_the_kernel_does(write, tmp_path):
    inner = write("inner", "#!/bin/sh")
    assert interpreters(write("outer", f"#!{inner}")) == [inner, "/bin/sh"]
    assert len(interpreters(write("circle", f"#!{tmp_path}/circle"))) == MOST
    assert interpreters(str(tmp_path / "nothing")) == []


def test_nobody_waits_for_what_a_first_line_names(write, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CommandRefusedError, match="pipe is not a file"):
        resolve(write("script", f"#!{tmp_path}/pipe"))
    with pytest.raises(CommandRefusedError, match="plain form"):
        resolve(write("nul", b"#!/bin/s\0h\n"))


def test_what_runs_a_script_must_not_be_writable_by_others(write):
    loose = write("loose", b"\x7fELF", mode=0o777)
    with pytest.raises(
        CommandRefusedError, match="is a script, and what runs it is refused: others may write"
    ):
        resolve(write("script", f"#!{loose}"))


@pytest.mark.parametrize("named", ["python3", "/usr/bin/../bin/env", "/usr/bin/no-such-program"])
def test_what_runs_a_script_is_an_absolute_path_that_is_there(write, named):
    with pytest.raises(CommandRefusedError, match="what runs it is refused"):
        resolve(write("script", f"#!{named}"))


def test_a_script_is_its_own_program(write):
    path = write("script", "#!/bin/sh")
    assert resolve(path) == path


def test_what_runs_a_script_has_to_be_among_what_the_box_shows(write, tmp_path):
    folder = tmp_path / "venv"
    folder.mkdir()
    inner = folder / "python"
    real = write("real-python", Path(sys.executable).read_bytes()[:64])
    inner.symlink_to(real)
    command = Command(write("script", f"#!{inner}"))
    with pytest.raises(CommandRefusedError, match=f"is run by {inner}, and the box does not show that"):
        view(command, Confinement(), None)
    with pytest.raises(CommandRefusedError, match=f"which leads to {real}, and the box does not show that"):
        view(command, Confinement(readable=(str(folder),)), None)
    assert view(command, Confinement(level=Level.UNCONFINED), None).program == command.executable
    seen = view(command, Confinement(readable=(str(folder), real)), None)
    assert set(seen.readable) == {str(folder), real, command.executable}
