"""The folder of a box goes with it, whatever the server made of it."""

from __future__ import annotations

import os
from pathlib import Path

from mcp_guard.sandbox.private import make_folder, remove_folder

DEEP = 3000
"""How many folders lie in one another: more than a function may call itself, and than a path is long."""


def test_nothing_that_a_server_leaves_keeps_its_folder(tmp_path):
    (tmp_path / "file").write_text("not the server's")
    folder, before = make_folder(os.geteuid(), os.getegid()), Path.cwd()
    Path(folder, "link").symlink_to(tmp_path)
    Path(folder, "pipes").mkdir()
    os.mkfifo(Path(folder, "pipes", "pipe"))
    Path(folder, "shut", "in").mkdir(parents=True)
    Path(folder, "shut").chmod(0)
    os.chdir(folder)
    try:
        for _ in range(DEEP):
            Path("d").mkdir()
            Path("file").touch()
            os.chdir("d")
    finally:
        os.chdir(before)

    remove_folder(folder)

    assert not Path(folder).exists()
    assert (tmp_path / "file").read_text() == "not the server's"


def test_a_link_in_the_place_of_the_folder_is_left_alone(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "kept")

    remove_folder(str(tmp_path / "link"))
    remove_folder(str(tmp_path / "nothing"))

    assert (tmp_path / "kept" / "file").exists()
