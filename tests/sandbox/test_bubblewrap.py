"""The options that bubblewrap is given: what is cut off, what is shown, and in which order."""

from __future__ import annotations

import pytest

from mcp_guard.sandbox.bubblewrap import options
from mcp_guard.sandbox.filesystem import View

VIEW = View("/usr/bin/true", readable=("/opt/venv",), writable=("/srv/notes",))


@pytest.fixture
def given():
    text = options(
        VIEW, folder="/srv/notes", tmp_bytes=4096, data={"/etc/hosts": 7}, sockets={"/run/proxy": "/tmp/box"}
    ).decode()
    assert text.endswith("\0")
    return text.removesuffix("\0").split("\0")


def place(given, *words):
    return next(at for at in range(len(given)) if tuple(given[at : at + len(words)]) == words)


def test_every_namespace_is_its_own_and_none_can_be_made_within(given):
    for kind in ("user", "ipc", "pid", "uts", "net"):
        assert f"--unshare-{kind}" in given
    assert {"--disable-userns", "--die-with-parent", "--new-session", "--clearenv"} <= set(given)
    assert place(given, "--cap-drop", "ALL")
    assert not {"--share-net", "--setenv", "--cap-add", "--dev-bind", "--bind-try"} & set(given)


def test_the_system_is_read_only_and_what_is_writable_is_named(given):
    assert place(given, "--ro-bind", "/usr", "/usr")
    assert place(given, "--ro-bind", "/opt/venv", "/opt/venv")
    assert [given[at + 1] for at, word in enumerate(given) if word == "--bind"] == ["/srv/notes"]
    assert place(given, "--ro-bind", "/tmp/box", "/run/proxy")


def test_every_folder_in_memory_has_a_size_and_what_is_registered_lies_over_it(given):
    sized = [given[at - 2] for at, word in enumerate(given) if word == "--tmpfs"]

    assert sized == ["--size"] * 3
    assert place(given, "--size", "4096", "--tmpfs", "/tmp") < place(
        given, "--bind", "/srv/notes", "/srv/notes"
    )


def test_the_root_and_the_devices_are_closed_behind_everything_else(given):
    last = place(given, "--remount-ro", "/")

    assert place(given, "--remount-ro", "/dev") < last
    assert given[last + 2 :] == ["--chdir", "/srv/notes"]
