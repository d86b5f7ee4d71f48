"""``audit ship`` and ``audit status``, as from a command line."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import pytest
from django.core.management import call_command
from django.test import override_settings

from mcp_guard.models import AuditEvent, AuditSeal, Shipment
from tests.operators.command_line import runner
from tests.siem.sealed import seal

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(monkeypatch):
    return runner(monkeypatch)


def shipping_to(collector, **values):
    url = f"https://127.0.0.1:{collector.port}/events"
    declared = {"url": url, "ca_file": str(collector.folder / "ca.pem"), "batch": 10} | values
    return override_settings(MCP_GUARD={"SHIP": {"siem": declared}})


def test_once_ships_everything_and_says_how_much(run, collector):
    seal(25)
    with shipping_to(collector):
        found = run("audit", "ship", "--once", "--json")

    assert (found.status, found.data) == (0, [{"destination": "siem", "shipped": 25, "error": ""}])
    assert len(collector.taken) == 25


def test_once_fails_where_a_destination_fails(run, collector):
    seal(2)
    collector.mode = "503"
    with shipping_to(collector):
        found = run("audit", "ship", "siem", "--once")

    assert (found.status, found.err) == (1, "warning: siem: 503 said:\n")
    assert collector.taken == []


def test_once_fails_where_nothing_more_may_be_sealed_after_what_was(run, collector):
    seal(2)
    AuditSeal.objects.update(mac="00")
    AuditEvent.objects.create(tag="client:add")
    with shipping_to(collector):
        found = run("audit", "ship", "--once", "--json")

    assert found.status == 1
    assert "nothing more is sealed" in found.data[0]["error"]
    assert len(collector.taken) == 2


def test_status_says_how_far_behind_it_is(run, collector):
    seal(25)
    collector.mode = "401"
    with shipping_to(collector):
        run("audit", "ship", "--once")
        [row] = run("audit", "status", "--json").data["destinations"]
        shown = run("audit", "ship", "--status")

    assert row == {
        "destination": "siem", "to": f"https://127.0.0.1:{collector.port}", "events_behind": 25,
        "oldest": "2026-03-01T12:00:00Z", "shipped_at": None, "failures": 1, "next_at": row["next_at"],
        "last_error": "401 said:", "late": True,
    }  # fmt: skip
    assert shown.status == 0
    assert "401 said:" in shown.out


def test_status_shows_no_path_and_no_query(run, collector):
    with shipping_to(collector, url="https://collector.example.com/services/s3cret?key=s3cret"):
        found = run("audit", "status")

    assert "https://collector.example.com:443" in found.out
    assert "s3cret" not in found.out


def test_without_a_destination_there_is_nothing_to_do(run):
    assert run("audit", "ship", "--once").status == 2
    assert "no destinations: MCP_GUARD['SHIP'] is empty" in run("audit", "status").out


def test_an_unknown_destination_is_bad_input(run, collector):
    with shipping_to(collector):
        found = run("audit", "ship", "other", "--once", "--json")

    assert (found.status, found.fields) == (2, {"destination": ["MCP_GUARD['SHIP'] declares: siem"]})


def test_only_the_next_event_can_be_left_out(run, collector):
    seal(3)
    with shipping_to(collector):
        assert run("audit", "ship", "--skip", "1").status == 2
        wrong = run("audit", "ship", "siem", "--skip", "2", "--json")
        right = run("audit", "ship", "siem", "--skip", "1", "--json")
        run("audit", "ship", "--once")

    assert wrong.fields == {"seq": ["the next event is 1; only that one can be left out"]}
    assert right.data == {"destination": "siem", "skipped": 1}
    assert [event["event"]["sequence"] for event in collector.taken] == [2, 3, 4]
    [event] = AuditEvent.objects.filter(tag="audit:skip")
    assert event.actor_label.startswith("command mcp_guard audit ship")


def test_nothing_can_be_left_out_when_all_is_shipped(run, collector):
    with shipping_to(collector):
        found = run("audit", "ship", "siem", "--skip", "1", "--json")

    assert found.status == 2
    assert "there is no event to leave out" in found.fields["seq"][0]


def test_without_the_extra_it_says_what_to_install(run, collector, monkeypatch):
    monkeypatch.delattr("mcp_guard.audit.https", raising=False)
    monkeypatch.delitem(sys.modules, "mcp_guard.audit.https", raising=False)
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with shipping_to(collector):
        found = run("audit", "ship", "--once")

    assert found.status == 2
    assert "mcp-guard[siem]" in found.err


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_service_ships_what_comes_and_ends_with_a_signal(collector, number):
    def end():
        deadline = time.monotonic() + 30
        while len(collector.taken) < 12 and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    seal(12)
    watcher = threading.Thread(target=end)
    watcher.start()
    with shipping_to(collector):
        call_command("mcp_guard", "audit", "ship")
    watcher.join()

    assert len(collector.taken) == 12
    assert Shipment.objects.get().seq == 12
    assert signal.getsignal(number) is before
