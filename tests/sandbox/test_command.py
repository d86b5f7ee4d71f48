"""A program is started only where nobody but root and the portal's user could put another in its place."""

from __future__ import annotations

import os

import pytest

from mcp_guard.sandbox.command import Command, CommandRefusedError, check_folder, resolve


@pytest.fixture
def program(tmp_path):
    file = tmp_path / "bin" / "server"
    file.parent.mkdir()
    file.write_text("#!/bin/sh\n")
    for path in (tmp_path, file.parent, file):
        path.chmod(0o755)
    return file


def test_a_program_is_resolved_to_the_file_that_it_is(program):
    link = program.with_name("link")
    link.symlink_to("server")

    assert resolve(str(program)) == str(program)
    assert resolve(str(link)) == str(program)


@pytest.mark.parametrize(
    "path", ["server", "./server", "/usr//bin/true", "/usr/../usr/bin/true", "", "/bin/tr\0ue"]
)
def test_a_path_that_is_not_absolute_and_plain_is_refused(path):
    with pytest.raises(CommandRefusedError, match="absolute"):
        resolve(path)


def test_what_is_missing_a_folder_or_cannot_be_executed_is_refused(program):
    with pytest.raises(CommandRefusedError, match="No such file"):
        resolve(str(program.with_name("other")))
    with pytest.raises(CommandRefusedError, match="not a file"):
        resolve(str(program.parent))
    program.chmod(0o644)
    with pytest.raises(CommandRefusedError, match="cannot be executed"):
        resolve(str(program))


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777])
def test_a_program_or_folder_that_others_may_write_to_is_refused(program, mode):
    program.chmod(mode)
    with pytest.raises(CommandRefusedError, match="others may write"):
        resolve(str(program))
    program.chmod(0o755)
    program.parent.chmod(mode)
    with pytest.raises(CommandRefusedError, match="others may write"):
        resolve(str(program))


def test_a_folder_where_everybody_keeps_what_is_his_is_let_pass(program):
    program.parent.chmod(0o1777)

    assert resolve(str(program)) == str(program)


def test_a_link_on_the_way_is_looked_at_too(program, tmp_path):
    loose = tmp_path / "loose"
    loose.mkdir()
    (loose / "second").symlink_to(program)
    (tmp_path / "first").symlink_to(loose / "second")
    loose.chmod(0o777)

    with pytest.raises(CommandRefusedError, match=f"others may write to {loose}"):
        resolve(str(tmp_path / "first"))


def test_links_that_lead_in_a_circle_are_refused(tmp_path):
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")

    with pytest.raises(CommandRefusedError, match="more than 16 links"):
        resolve(str(tmp_path / "one"))


def test_a_program_of_another_user_is_refused(program, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    owner = program.stat().st_uid
    if owner == 0:
        assert resolve(str(program)) == str(program)
        os.chown(program, 4343, 4343)
        owner = 4343

    with pytest.raises(CommandRefusedError, match=f"belongs to user {owner}"):
        resolve(str(program))


def test_a_working_folder_is_there_under_its_own_name(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)

    check_folder(str(tmp_path))
    for folder, why in (
        ("x", "absolute"),
        (str(tmp_path / "no"), "not a folder"),
        (str(tmp_path / "link"), "link"),
        ("/proc/self/fd", "kernel"),
        ("/sys", "kernel"),
        ("/dev/shm", "kernel"),
    ):
        with pytest.raises(CommandRefusedError, match=why):
            check_folder(folder)


def test_a_secret_of_the_environment_is_not_shown():
    assert "hunter2" not in repr(Command("/usr/bin/true", (), "/", {"API_KEY": "hunter2"}))
