"""The nonce file: private, whole, of one server, gone with it, and never through a symbolic link."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import pytest

from mcp_guard import nonce_file
from mcp_guard.nonce import Nonce
from mcp_guard.nonce_file import NonceFile, NonceRefused
from tests.child import ROOT

PUBLISH: Final = """
import sys, time
from pathlib import Path
from mcp_guard.nonce_file import NonceFile
print(NonceFile(Path(sys.argv[1])).publish(), flush=True)
time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mcp-guard" / "ws-nonce"


@pytest.fixture
def file(path: Path) -> Iterator[NonceFile]:
    made = NonceFile(path)
    yield made
    made.let_go()


def mode(path: Path) -> int:
    return path.lstat().st_mode & 0o7777


def of_another_server(monkeypatch: pytest.MonkeyPatch, name: str = "another") -> None:
    monkeypatch.setattr(nonce_file, "_server", lambda: name)


class TestPublish:
    @pytest.mark.parametrize("umask", [0, 0o022, 0o077])
    def test_it_is_private_whatever_the_umask_is(self, path, file, umask):
        before = os.umask(umask)
        try:
            text = file.publish()
        finally:
            os.umask(before)

        assert re.fullmatch(r"[0-9a-f]{64}", text)
        assert path.read_text() == text
        assert (mode(path), mode(path.parent)) == (0o600, 0o700)
        assert {mode(each) for each in path.parent.iterdir()} == {0o600}

    def test_it_is_new_at_each_start(self, path, file):
        first = file.publish()
        file.remove(first)

        assert not path.exists()
        assert file.publish() != first

    def test_what_stood_there_before_is_replaced_and_not_written_to(self, path, file, tmp_path):
        path.parent.mkdir(mode=0o700)
        target = tmp_path / "target"
        target.write_text("of somebody else")
        path.symlink_to(target)

        text = file.publish()

        assert target.read_text() == "of somebody else"
        assert not path.is_symlink()
        assert path.read_text() == text

    def test_a_folder_that_is_a_link_is_refused(self, path, file, tmp_path):
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        path.parent.symlink_to(tmp_path / "elsewhere")

        with pytest.raises(OSError, match=r"Not a directory|symbolic"):
            file.publish()

        assert list((tmp_path / "elsewhere").iterdir()) == []

    @pytest.mark.parametrize("name", ["ws-nonce.lock", "ws-nonce.live"])
    @pytest.mark.parametrize("kind", ["link", "hard link", "pipe", "folder", "open to others"])
    def test_what_is_no_file_of_its_own_is_refused(self, path, file, tmp_path, name, kind):
        path.parent.mkdir(mode=0o700)
        target = tmp_path / "target"
        target.write_text("of somebody else")
        target.chmod(0o600)
        found = path.parent / name
        match kind:
            case "link":
                found.symlink_to(target)
            case "hard link":
                found.hardlink_to(target)
            case "pipe":
                os.mkfifo(found, 0o600)
            case "folder":
                found.mkdir()
            case _:
                found.touch()
                found.chmod(0o644)

        with pytest.raises(OSError, match="ws-nonce"):
            file.publish()

        assert target.read_text() == "of somebody else"
        assert not path.exists()

    @pytest.mark.parametrize("rights", [0o755, 0o770, 0o701])
    def test_a_folder_that_is_open_to_others_is_refused(self, path, file, rights):
        path.parent.mkdir()
        path.parent.chmod(rights)

        with pytest.raises(NonceRefused, match="chmod go-rwx"):
            file.publish()

        assert list(path.parent.iterdir()) == []

    def test_a_folder_of_another_user_is_refused(self, path, file, monkeypatch):
        path.parent.mkdir(mode=0o700)
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)

        with pytest.raises(NonceRefused, match="another user"):
            file.publish()

    def test_no_temporary_file_is_left_behind(self, path, file, monkeypatch):
        def fail(*_: Any, **__: Any) -> None:
            raise OSError("the disk is full")

        monkeypatch.setattr(os, "rename", fail)

        with pytest.raises(OSError, match="full"):
            file.publish()

        assert sorted(each.name for each in path.parent.iterdir()) == ["ws-nonce.live", "ws-nonce.lock"]


class TestSharing:
    def test_the_processes_of_a_server_share_one_and_the_last_removes_it(self, path, file):
        other = NonceFile(path)

        text = file.publish()
        assert other.publish() == text
        file.remove(text)
        assert path.read_text() == text
        other.remove(text)

        assert not path.exists()

    def test_another_server_does_not_take_it_over(self, path, file, monkeypatch):
        text = file.publish()
        of_another_server(monkeypatch)

        with pytest.raises(NonceRefused, match="another server that runs"):
            NonceFile(path).publish()

        assert path.read_text() == text

    def test_it_removes_its_own_nonce_alone(self, path, file):
        text = file.publish()
        path.write_text("0" * 64)

        file.remove(text)

        assert path.read_text() == "0" * 64

    def test_a_file_that_is_no_nonce_is_not_shared(self, path, file):
        file.publish()
        path.write_text("short")

        with pytest.raises(NonceRefused, match="does not hold a nonce"):
            NonceFile(path).publish()

    def test_all_who_start_at_once_have_the_same(self, path):
        started = [publishing(path) for _ in range(6)]
        try:
            with ThreadPoolExecutor(6) as pool:
                said = list(pool.map(said_by, started))
            assert set(said) == {path.read_text()}
        finally:
            for one in started:
                end(one)

    def test_one_that_was_killed_leaves_what_nobody_takes(self, path, file, monkeypatch):
        killed = publishing(path)
        before = said_by(killed)
        end(killed)
        assert path.read_text() == before
        of_another_server(monkeypatch)

        assert file.publish() != before

    def test_whenever_it_is_killed_the_file_is_private_and_whole(self, path):
        for milliseconds in range(0, 200, 20):
            one = publishing(path)
            time.sleep(0.05 + milliseconds / 1000)
            end(one)
            if path.exists():
                assert mode(path) == 0o600
                assert re.fullmatch(r"[0-9a-f]{64}", path.read_text())

    def test_a_forked_process_takes_the_nonce_and_leaves_the_file(self, path, settings):
        settings.MCP_GUARD = {"NONCE_FILE": str(path)}
        nonce = Nonce()
        text = nonce.publish()
        assert text is not None
        child = os.fork()
        if child == 0:
            nonce._let_go()
            taken = nonce.matches(text.encode())
            nonce.remove()
            os._exit(0 if taken and path.exists() else 1)

        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        nonce.remove()
        assert not path.exists()


class TestNonce:
    def test_it_matches_itself_and_nothing_else(self, path, settings):
        settings.MCP_GUARD = {"NONCE_FILE": str(path)}
        nonce = Nonce()
        assert not nonce.matches(b"")
        text = nonce.publish()
        assert text is not None

        assert nonce.matches(text.encode())
        assert nonce.publish() == text
        for other in (text.upper(), text[:-1], text + "0", "", "0" * 64, "\xe9" * 64):
            assert not nonce.matches(other.encode("latin-1"))
        nonce.remove()
        assert not nonce.matches(text.encode())

    def test_one_that_cannot_be_written_is_said_and_none_is_taken(self, path, settings, caplog):
        settings.MCP_GUARD = {"NONCE_FILE": str(path)}
        path.parent.mkdir()
        path.parent.chmod(0o755)
        nonce = Nonce()

        assert nonce.publish() is None

        assert [record.levelname for record in caplog.records] == ["ERROR"]
        assert "chmod go-rwx" in caplog.text
        assert not nonce.matches(b"")

    def test_only_a_local_endpoint_needs_one(self, path, settings):
        settings.MCP_GUARD = {"NONCE_FILE": str(path), "ENDPOINTS": {"e": {"profile": "token"}}}
        nonce = Nonce()
        nonce.publish_if_needed()
        assert not path.exists()

        settings.MCP_GUARD = {"NONCE_FILE": str(path), "ENDPOINTS": {"e": {"profile": "local"}}}
        nonce.publish_if_needed()
        assert path.exists()
        nonce.remove()


def publishing(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PUBLISH, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def said_by(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()
