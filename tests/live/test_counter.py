"""The number that the processes of one host share: seen by all, trusted by none."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.test import override_settings

from mcp_guard import changes, gate, testing
from mcp_guard.live import counter as module
from mcp_guard.live.counter import SIZE, Counter, path_of_database
from mcp_guard.live.holder import holder
from mcp_guard.policy.decision import Admitted, Reason, Refused
from tests.live.heads import endpoint, head

MOVE = """
import sys
from pathlib import Path
import django
from django.conf import settings
settings.configure(INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "mcp_guard"])
django.setup()
from mcp_guard.live.counter import Counter
counter = Counter(Path(sys.argv[1]))
assert counter.is_shared
for _ in range(int(sys.argv[2])):
    counter.move()
"""


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "guard" / "number"


def test_two_that_map_one_file_see_each_other(file):
    one, other = Counter(file), Counter(file)
    before = other.value

    one.move()

    assert other.value == one.value != before


def test_folder_and_file_are_the_owners_alone(file):
    Counter(file)

    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.stat().st_size == SIZE


def test_no_move_is_lost_among_threads_and_processes(file):
    counter = Counter(file)
    movers = [
        subprocess.Popen([sys.executable, "-c", MOVE, str(file), "500"], cwd=Path(__file__).parents[2])
        for _ in range(2)
    ]
    threads = [threading.Thread(target=lambda: [counter.move() for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [mover.wait(60) for mover in movers] == [0, 0]
    assert counter.value == 3000


def test_the_largest_number_moves_on_too(file):
    counter = Counter(file)
    counter.cell[0] = (1 << 63) - 1

    counter.move()

    assert counter.value == 0


def test_without_a_file_it_is_a_number_of_this_process():
    counter = Counter(None)
    counter.move()

    assert not counter.is_shared
    assert counter.value == 1


def test_a_link_is_not_followed(file, tmp_path):
    target = tmp_path / "target"
    target.write_bytes(bytes(SIZE))
    file.parent.mkdir(mode=0o700)
    file.symlink_to(target)

    counter = Counter(file)
    counter.move()

    assert not counter.is_shared
    assert target.read_bytes() == bytes(SIZE)


def test_a_file_that_others_may_write_is_left_alone(file):
    file.parent.mkdir(mode=0o700)
    file.write_bytes(bytes(SIZE))
    file.chmod(0o620)

    assert not Counter(file).is_shared


def test_a_folder_that_others_may_enter_is_left_alone(file):
    file.parent.mkdir()
    file.parent.chmod(0o755)

    assert not Counter(file).is_shared
    assert not file.exists()


def test_a_folder_that_is_a_link_is_left_alone(file, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    file.parent.symlink_to(elsewhere)

    assert not Counter(file).is_shared
    assert not list(elsewhere.iterdir())


def test_what_is_no_file_is_left_alone(file):
    file.parent.mkdir(mode=0o700)
    os.mkfifo(file, 0o600)

    assert not Counter(file).is_shared


def test_a_file_that_cannot_be_made_costs_nothing(tmp_path, monkeypatch):
    (tmp_path / "guard").write_bytes(b"not a folder")

    assert not Counter(tmp_path / "guard" / "number").is_shared


def test_full_memory_is_noticed_before_it_is_written_to(file, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(os, "posix_fallocate", full)

    assert not Counter(file).is_shared


@pytest.fixture
def database_named(monkeypatch):
    def name(**settings: Any) -> None:
        monkeypatch.setattr(connections["default"], "settings_dict", settings)

    return name


def test_each_database_has_a_file_of_its_own(database_named):
    paths = []
    for name, host in (("one", "a"), ("two", "a"), ("one", "b")):
        database_named(ENGINE="django.db.backends.postgresql", NAME=name, HOST=host, PORT="5432")
        paths.append(path_of_database())

    assert len(set(paths)) == 3
    assert {path.parent.name for path in paths} == {f"mcp_guard-{os.geteuid()}"}


def test_a_file_is_the_same_database_from_every_folder(database_named, tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    paths = set()
    for name in ("db.sqlite3", str(tmp_path / "db.sqlite3"), tmp_path / "link" / "db.sqlite3"):
        database_named(ENGINE="django.db.backends.sqlite3", NAME=name)
        paths.add(path_of_database())

    assert len(paths) == 1


@pytest.mark.parametrize("name", [":memory:", "file:memorydb_default?mode=memory&cache=shared"])
def test_a_database_in_memory_has_none(database_named, name):
    database_named(ENGINE="django.db.backends.sqlite3", NAME=name)

    assert path_of_database() is None


def test_without_shared_memory_it_lies_with_the_temporary_files(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "_SHARED_MEMORY", tmp_path / "missing")
    monkeypatch.setattr(module.tempfile, "gettempdir", lambda: str(tmp_path))

    assert path_of_database().is_relative_to(tmp_path)


@pytest.fixture
def issued(live_policy, file, monkeypatch):
    monkeypatch.setattr("mcp_guard.live.holder.path_of_database", lambda: file)
    issued = testing.issue_token(testing.add_client(), "tools")
    holder.refresh()
    return issued


def judged(issued):
    declared = endpoint("tools")
    asked = head(declared, **testing.bearer(issued))
    return gate.settle(declared, asked, gate.judge(declared, asked))


def test_a_stranger_who_moves_the_number_costs_a_look_and_no_more(issued, file):
    stranger = Counter(file)
    assert isinstance(judged(issued), Admitted)

    for number in (0, 1, (1 << 64) - 1, 12345):
        stranger.cell[0] = number
        assert isinstance(judged(issued), Admitted)

    assert holder.failures == 0


def test_a_change_in_another_process_is_seen_by_the_next_request(issued, file, monkeypatch):
    """The other process is played by a second mapping; neither poll nor push may help."""
    other = Counter(file)
    monkeypatch.setattr(holder, "expire", other.move)
    monkeypatch.setattr(holder._refresher, "_interval", lambda: 60.0)
    judged(issued)

    changes.revoke_token(testing.ACTOR, issued.token)

    assert judged(issued) == Refused(Reason.TOKEN_REVOKED)


def test_without_the_counter_the_next_look_has_to_tell(issued, file, monkeypatch):
    """What the test above stands on: nobody else tells this process of the change."""
    monkeypatch.setattr(holder, "expire", lambda: None)
    monkeypatch.setattr(holder._refresher, "_interval", lambda: 60.0)
    judged(issued)

    changes.revoke_token(testing.ACTOR, issued.token)

    assert isinstance(judged(issued), Admitted)
    holder.refresh()
    assert judged(issued) == Refused(Reason.TOKEN_REVOKED)


def test_it_can_be_switched_off(live_policy, file, monkeypatch):
    monkeypatch.setattr("mcp_guard.live.holder.path_of_database", lambda: file)
    guard = {"ENDPOINTS": {"tools": {"profile": "token"}}, "SHARED_COUNTER": False}
    with override_settings(MCP_GUARD=guard):
        testing.add_client()
        holder.refresh()

    assert not file.exists()
