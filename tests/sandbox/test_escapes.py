"""A hostile server tries to get out of its box: nothing that it tries works, and nobody else notices."""

from __future__ import annotations

import os

import pytest

from mcp_guard.sandbox.confinement import MIB, Level
from mcp_guard.sandbox.ended import Violation
from tests.sandbox import hostile
from tests.sandbox.machine import CONFINED
from tests.sandbox.scene import SECRET, SERVICES, attempt, left_behind, scene

pytestmark = pytest.mark.sandbox

MEMORY, TMP, PROCESSES, FILES = 64 * MIB, 16 * MIB, 24, 32
LIMITS = {
    "memory_bytes": MEMORY,
    "file_bytes": 32 * MIB,
    "tmp_bytes": TMP,
    "processes": PROCESSES,
    "open_files": FILES,
}
OUTPUT = {"write_without_newlines", "flood_stderr"}
SPINNING = {"spin", "spin_without_heed"}
WORKS_UNCONFINED = {
    "read_settings", "write_database", "read_files_of_another_box", "write_outside", "follow_links",
    "see_others", "connect_by_address", "resolve_a_name", "use_other_sockets", "connect_to_unix_sockets",
    "connect_to_an_abstract_socket", "fill_its_folders", "use_dangerous_calls", "leave_through_proc",
}  # fmt: skip
"""Attempts that an ordinary user makes with success where nothing confines it."""

NOT_CONTAINED = {Level.REQUIRED: set(), Level.LANDLOCK: {"fill_its_folders"}}
"""What a level does not hold off: without a file system of its own, ``/tmp`` has no size."""

ENDED_BY = {"use_up_memory": Violation.MEMORY, "use_up_shared_memory": Violation.MEMORY}
"""What ends a server, where cgroups can be written."""


@pytest.fixture
def made():
    with scene() as found:
        yield found


def arguments(made, name):
    portal, own = os.getpid(), str(made.own)
    settings, database = str(made.root / "settings.py"), str(made.root / "db.sqlite3")
    return {
        "read_settings": {"settings": settings},
        "write_database": {"database": database},
        "read_environment_of_others": {"portal": portal},
        "read_files_of_another_box": {"other": str(made.root / "other")},
        "write_outside": {"outside": str(made.root / "outside")},
        "follow_links": {"settings": settings, "own": own},
        "leave_through_proc": {"settings": settings, "portal": portal},
        "replace_its_program": {"program": str(made.program)},
        "make_a_device": {"own": own},
        "become_root": {"setuid": str(made.program.with_name("id"))},
        "trace": {"portal": portal},
        "write_memory_of_others": {"portal": portal},
        "signal_others": {"portal": portal},
        "limit_others": {"portal": portal},
        "see_others": {"portal": portal},
        "outlive_its_box": {"mark": made.name},
        "connect_by_address": {"port": made.port},
        "resolve_a_name": {"resolver": made.resolver},
        "connect_to_unix_sockets": {"sockets": [str(made.root / "socket"), *SERVICES]},
        "connect_to_an_abstract_socket": {"name": made.name},
        "fork_without_end": {"most": PROCESSES},
        "leave_zombies": {"most": PROCESSES},
        "use_up_memory": {"most": MEMORY},
        "use_up_shared_memory": {"most": MEMORY},
        "fill_its_folders": {"most": TMP, "places": ["/run", "/dev/shm", "/dev", "/var/tmp"]},
        "write_a_long_file": {"own": own, "most": 32 * MIB},
        "open_without_end": {"most": FILES},
    }.get(name, {})


@pytest.mark.parametrize("level", CONFINED)
@pytest.mark.parametrize("name", sorted(hostile.ESCAPES.keys() - OUTPUT - SPINNING))
async def test_an_escape_is_contained(made, name, level):
    files = [path for path in made.root.rglob("*") if path.is_file() and path.parent != made.own]
    before = {path: path.read_bytes() for path in files}
    limits = made.confinement(level=level, **LIMITS)

    said, ended = await attempt(made, name, limits, **arguments(made, name))

    if said is None:
        assert ended.violation is ENDED_BY[name]
    else:
        assert said.startswith("ESCAPED" if name in NOT_CONTAINED[level] else "contained"), said
        assert SECRET not in said
    assert before == {path: path.read_bytes() for path in before}
    assert not left_behind()


@pytest.mark.parametrize("name", sorted(WORKS_UNCONFINED))
async def test_without_a_confinement_the_same_attempt_works(made, name):
    limits = made.confinement(level=Level.UNCONFINED, **LIMITS)

    said, _ = await attempt(made, name, limits, **arguments(made, name))

    assert said is not None
    assert said.startswith("ESCAPED"), said


async def test_a_spinning_server_is_ended_and_reported(made):
    limits = made.confinement(cpu_seconds=1, **LIMITS)

    said, ended = await attempt(made, "spin", limits, seconds=1)

    assert (said, ended.code, ended.violation) == (None, 152, Violation.CPU)


@pytest.mark.parametrize("level", CONFINED)
@pytest.mark.parametrize("name", ["trace", "mount", "make_namespaces"])
async def test_where_calls_kill_an_attempt_ends_the_server_and_is_reported(made, name, level):
    limits = made.confinement(level=level, kill=True, **LIMITS)

    said, ended = await attempt(made, name, limits, **arguments(made, name))

    assert (said, ended.code, ended.violation) == (None, 159, Violation.SYSCALL)


@pytest.mark.parametrize("level", CONFINED)
@pytest.mark.parametrize("name", ["write_outside", "replace_its_program"])
async def test_where_calls_kill_a_write_elsewhere_ends_the_server_and_is_reported(made, name, level):
    limits = made.confinement(level=level, kill=True, **LIMITS)

    said, ended = await attempt(made, name, limits, **arguments(made, name))

    assert (said, ended.code, ended.violation) == (None, 160, Violation.WRITE)
    assert not left_behind()


async def test_forks_that_were_refused_are_reported(made):
    said, ended = await attempt(made, "fork_without_end", made.confinement(**LIMITS), most=PROCESSES)

    assert "contained" in said
    assert ended.violation is Violation.PROCESSES
