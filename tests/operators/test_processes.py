"""The processes on the status page and on the command line: what a heartbeat leaves, and how it is shown."""

from __future__ import annotations

import os
import re
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from mcp_guard import testing
from mcp_guard.live.connections import connections
from mcp_guard.live.heartbeat import Heartbeat
from mcp_guard.models import ProcessState
from mcp_guard.processes import MOST_SILENT, processes, to_show
from tests.operators.admin_pages import browser_of, nothing_changes, revision, superuser, tags, url
from tests.operators.command_line import Run, runner

pytestmark = pytest.mark.django_db


class Open:
    """An open connection of a client."""

    session_key, user_id = "", None

    def __init__(self, client: str) -> None:
        self.client = client


@pytest.fixture
def run(monkeypatch) -> Run:
    return runner(monkeypatch)


def process(pid: int, seconds_ago: int = 3, **values) -> ProcessState:
    """Store what a process of revision 1 said some seconds ago."""
    seen_at = timezone.now() - timedelta(seconds=seconds_ago)
    values = {"revision": 1, "age": 0.004, "source": "poll", "connections": {}} | values
    return ProcessState.objects.create(
        id=uuid.uuid4(), host="web1", pid=pid, started_at=seen_at, seen_at=seen_at, **values
    )


def cells_of(text: str, name: str) -> list[str]:
    """Return the cells of the line of a process; seconds are told by the tens, as tests take a moment."""
    [line] = [line for line in text.splitlines() if line.startswith(name)]
    return [re.sub(r"(\d*)\d s ago", r"\1_ s ago", cell) for cell in re.split(r"  +", line)]


@pytest.fixture
def revision_2():
    testing.add_client("partner")
    testing.add_client("other")
    assert revision() == 2


async def test_a_heartbeat_says_which_client_has_how_many_connections(monkeypatch):
    found = [Open("partner"), Open("ci"), Open("partner"), Open("")]
    monkeypatch.setattr(connections, "_all", lambda: found)
    assert connections.by_client() == {"partner": 2, "ci": 1, "": 1}


def test_a_heartbeat_leaves_a_row_and_never_raises_the_revision(revision_2, monkeypatch):
    monkeypatch.setattr(connections, "_all", lambda: [Open("partner")])
    heartbeat, before = Heartbeat(), (revision(), tags())
    heartbeat.beat()
    heartbeat._due = 0.0
    heartbeat.beat()
    row = ProcessState.objects.get()
    assert (row.pid, row.connections) == (os.getpid(), {"partner": 1})
    assert (revision(), tags()) == before


def test_a_heartbeat_forgets_processes_that_have_been_silent_for_a_day():
    process(1, seconds_ago=24 * 3600 + 1)
    kept = process(2, seconds_ago=24 * 3600 - 60)
    Heartbeat().beat()
    assert set(ProcessState.objects.values_list("pid", flat=True)) == {kept.pid, os.getpid()}


@pytest.mark.parametrize(("ago", "is_silent"), [(44, False), (46, True)])
def test_a_process_is_silent_after_45_seconds(ago, is_silent):
    row, now = process(1), timezone.now()
    row.seen_at = now - timedelta(seconds=ago)
    row.save()
    assert [(one.seen, one.is_silent) for one in processes(now)] == [(ago, is_silent)]


def test_a_clock_ahead_of_ours_is_now():
    process(1, seconds_ago=-30)
    assert [one.seen for one in processes(timezone.now())] == [0]


def test_of_silent_processes_only_the_latest_are_shown():
    for pid in range(MOST_SILENT + 2):
        process(pid, seconds_ago=1000 - pid)
    process(500)
    shown, left_out = to_show(processes(timezone.now()))
    assert [one.row.pid for one in shown] == [*range(2, MOST_SILENT + 2), 500]
    assert left_out == 2


def test_the_command_line_shows_and_marks_processes(run, revision_2):
    process(10, revision=2, connections={"partner": 3, "": 1})
    process(11, seconds_ago=50, source="notify")
    process(12, revision=5, age=1e6)
    text = run("status").out
    assert cells_of(text, "web1:10") == [
        "web1:10", "2", "0.0 s", "poll", "_ s ago", "partner 3, - 1",
    ]  # fmt: skip
    assert cells_of(text, "web1:11") == [
        "web1:11", "1 (1 behind)", "0.0 s", "notify", "5_ s ago (silent)", "-",
    ]  # fmt: skip
    assert cells_of(text, "web1:12")[1:3] == [
        "5 (3 ahead)",
        "-",
    ]


def test_as_json_processes_are_objects(run, revision_2):
    row = process(11, seconds_ago=50, connections={"ci": 2})
    [found] = run("status", "--json").data["processes"]
    assert found.pop("started_at") == found["seen_at"]
    assert found.pop("seen_at") == f"{row.seen_at:%Y-%m-%dT%H:%M:%SZ}"
    assert found == {
        "host": "web1", "pid": 11, "silent": True, "revision": 1, "behind": 1, "age": 0.004,
        "source": "poll", "connections": {"ci": 2},
    }  # fmt: skip


def test_the_command_line_says_that_nobody_has_spoken_and_how_many_are_left_out(run):
    assert "no process has spoken yet" in run("status").out
    for pid in range(MOST_SILENT + 3):
        process(pid, seconds_ago=100 + pid)
    assert "3 more that have been silent for longer" in run("status").out


def test_the_status_page_shows_and_marks_processes(revision_2):
    process(10, revision=2, connections={"<b>": 3})
    process(11, seconds_ago=50, age=1e6)
    with nothing_changes():
        page = browser_of(superuser()).get(url("status"))
    text = page.content.decode()
    first, second = (text.partition(f"web1:{pid}</bdi>")[2].partition("</tr>")[0] for pid in (10, 11))
    assert '<td data-label="Revision">2</td>' in first
    assert "mcp-guard-warning" not in first
    assert "<bdi>&lt;b&gt;</bdi> 3" in first
    assert "not 2" in second
    assert re.search(r"silent for 5\d s", second)
    assert "applying a change" in second


def test_the_status_page_says_that_no_process_has_spoken():
    text = browser_of(superuser()).get(url("status")).content.decode()
    assert "No process has judged a request within the last day." in text
