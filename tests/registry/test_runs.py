"""What the processes of servers do, as screens and commands show it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from mcp_guard.models import ServerRun
from mcp_guard.servers.record import SILENT_AFTER
from mcp_guard.servers.runs import MOST_TAILS, recorded, running
from tests.operators.admin_pages import browser_of, staff, url
from tests.operators.command_line import runner
from tests.registry.registering import add, approved

EVIL = "<script>alert(1)</script>\u202e"


def run_of(server: str, **values: Any) -> ServerRun:
    """Return a process of a server, as a process of the portal has written it down."""
    known = {"host": "web-1", "portal_pid": 7, "party": "acme", "state": "running", "pid": 99, "calls": 12}
    row: ServerRun = ServerRun.objects.create(
        process=uuid4(), server=server, key=server, **{"seen_at": timezone.now(), **known, **values}
    )
    return row


@pytest.fixture
def reader(policy):
    return browser_of(staff("view_registeredserver", name="reader"))


def shown(reader, row) -> str:
    return reader.get(url("registeredserver_change", row.pk)).content.decode()


def test_the_page_shows_each_process_and_its_last_words(reader):
    row, other = approved("files"), approved("mail")
    run_of("files", tail="line one\n" + EVIL, failures=3, end="violation", violation="memory", detail="137")
    run_of("mail", tail="words of another")

    text = shown(reader, row)

    for part in ("acme", "web-1:7", "process 99", "3 failures in a row", "memory", "137", "line one"):
        assert part in text
    assert "<script>alert(1)" not in text
    assert "words of another" not in text
    assert "words of another" in shown(reader, other)


def test_words_are_read_of_so_many_processes_and_no_more(policy, django_assert_num_queries):
    now = timezone.now()
    for number in range(MOST_TAILS):
        run_of("files", party=f"p{number:02}", tail="words", seen_at=now - timedelta(seconds=number))
    run_of("files", party="failed", tail="words", failures=1, state="ended", seen_at=now - timedelta(hours=1))
    with django_assert_num_queries(2):
        silent = [run.party for run in recorded("files") if not run.tail]

    assert silent == [f"p{MOST_TAILS - 1}"]


def test_a_server_that_nobody_used_says_so(reader):
    assert "nobody has used it lately" in shown(reader, add())


def test_the_list_counts_those_that_run_and_still_speak(reader):
    approved("files")
    for values in (
        {},
        {},
        {"state": "ended"},
        {"seen_at": timezone.now() - SILENT_AFTER - timedelta(seconds=1)},
    ):
        run_of("files", **values)

    text = reader.get(url("registeredserver_changelist")).content.decode()

    assert '<td class="field-processes_shown">2</td>' in text
    assert len(running()) == 2


def test_counting_reads_no_words(policy, django_assert_num_queries):
    run_of("files", tail="x" * 65_536)

    with django_assert_num_queries(1):
        [run] = running()
    assert run.get_deferred_fields() == {"tail"}


class TestCommands:
    @pytest.fixture
    def run(self, policy, monkeypatch):
        return runner(monkeypatch)

    def test_status_shows_the_processes(self, run):
        add("files")
        run_of("files", failures=2, end="exited")
        run_of("mail")

        assert [row["server"] for row in run("server", "status", "--json").data] == ["files", "mail"]
        [row] = run("server", "status", "files", "--json").data
        assert (row["state"], row["place"], row["failures"], row["end"]) == (
            "running",
            "web-1:7",
            2,
            "exited",
        )
        assert "stderr" not in row

    def test_without_processes_it_says_so(self, run):
        assert run("server", "status").out == "no process is known: nobody has used one lately\n"

    def test_logs_show_the_last_words_and_no_terminal_obeys_them(self, run):
        add("files")
        run_of("files", tail=f"one\n\x1b[2J{EVIL}")
        run_of("mail", tail="words of another")

        text = run("server", "logs", "files").out

        assert text.splitlines()[:2] == ["== acme at web-1:7", "one"]
        assert "\\x1b[2J" in text
        assert "\\u202e" in text
        assert "words of another" not in text

    @pytest.mark.parametrize("verb", ["status", "logs"])
    def test_an_unknown_server_is_bad_input(self, run, verb):
        assert "name" in run("server", verb, "nope", "--json").fields

    def test_without_words_it_says_so(self, run):
        add("files")

        assert run("server", "logs", "files").out == "nothing was written to standard error\n"
