"""The screens of registered servers, driven as an operator does."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mcp_guard import changes, testing
from mcp_guard.models import RegisteredServer
from mcp_guard.sandbox import needs
from mcp_guard.sandbox.confinement import Confinement, ConfinementUnavailableError
from mcp_guard.writing import policy_write
from tests.operators.admin_pages import browser_of, errors, everything_stored, staff, tags, told, url
from tests.registry.registering import ADA, add, approve, approved, digest

CHANGE = "change_registeredserver"
TYPED: dict[str, Any] = {
    "name": "files",
    "description": "Files of the team",
    "enabled": "on",
    "executable": "/usr/bin/env",
    "arguments": "-i\r\n/opt/mcp/server\r\n--root\r\na b",
    "folder": "/",
    "environment": "API_KEY=env:FILES_KEY\r\n",
    "level": "required",
    "memory_mb": "256",
    "cpu_percent": "50",
    "cpu_seconds": "3600",
    "processes": "32",
    "open_files": "256",
    "file_mb": "64",
    "tmp_mb": "64",
    "writable": "",
    "readable": "/opt/mcp",
    "hosts": "api.example.com:443",
    "run_as": "",
    "idle_seconds": "300",
}


@pytest.fixture
def maker(policy):
    return browser_of(staff("add_registeredserver", CHANGE, "delete_registeredserver", name="maker"))


@pytest.fixture
def approver(policy):
    return browser_of(staff("view_registeredserver", "approve_registeredserver", name="approver"))


def page(browser, row, view="change"):
    return browser.get(url(f"registeredserver_{view}", row.pk))


class TestRegistering:
    def test_lines_become_texts_and_it_waits_for_somebody_else(self, maker):
        response = maker.post(url("registeredserver_add"), TYPED, follow=True)

        row = RegisteredServer.objects.get()
        assert row.arguments == ["-i", "/opt/mcp/server", "--root", "a b"]
        assert (row.environment, row.hosts) == (["API_KEY=env:FILES_KEY"], ["api.example.com:443"])
        assert "serves nobody until somebody else approves" in " ".join(told(response))
        assert tags() == ["server:add"]

    @pytest.mark.parametrize(
        ("field", "typed", "said"),
        [
            ("name", "Files", "a-z"),
            ("executable", "env", "absolute"),
            ("executable", "/usr/bin/not-there", "No such file"),
            ("arguments", "--password=hunter2", "1: this looks like a secret"),
            ("environment", "API_KEY=hunter2", "no value is stored here"),
            ("folder", "/not/there", "is not a folder"),
            ("level", "unconfined", "SERVERS_LEVEL"),
            ("memory_mb", "1", "32"),
            ("writable", "/etc", "of its own"),
            ("writable", "/opt/mcp", "could replace"),
            ("hosts", "localhost:5432", "full name"),
            ("run_as", "root", "root"),
            ("description", "a\u202eb", "invisible"),
        ],
    )
    def test_what_is_wrong_stands_beside_its_field(self, maker, field, typed, said):
        response = maker.post(url("registeredserver_add"), TYPED | {field: typed})

        assert said in " ".join(errors(response)[field])
        assert tags() == []
        assert "hunter2" not in everything_stored()

    def test_a_row_that_nothing_was_changed_of_is_not_written(self, maker):
        row = add(arguments=["a", "", "b"])
        typed = TYPED | {
            "arguments": "a\nb",
            "environment": "",
            "readable": "",
            "hosts": "",
            "description": "",
        }

        maker.post(url("registeredserver_change", row.pk), typed)

        assert RegisteredServer.objects.get().arguments == ["a", "", "b"]
        assert tags() == ["server:add"]

    def test_a_name_is_for_good(self, maker):
        row = add()

        maker.post(url("registeredserver_change", row.pk), TYPED | {"name": "other"})

        assert RegisteredServer.objects.get().name == "files"

    def test_it_is_not_removed_while_a_token_names_it(self, maker):
        row = approved()
        testing.issue_token(testing.add_client(), "servers.files")

        response = maker.post(url("registeredserver_delete", row.pk), {"post": "yes"}, follow=True)

        assert "tokens that are not revoked name the endpoint servers.files" in " ".join(told(response))
        assert RegisteredServer.objects.exists()


class TestApproving:
    def test_the_page_shows_exactly_what_would_run(self, approver):
        row = add(arguments=["--root", "a b"], environment=["KEY=file:/run/secrets/key"])

        text = page(approver, row, "approve").content.decode()

        for part in ("/usr/bin/env", "--root", "a b", "KEY=file:/run/secrets/key", digest(row), "ada"):
            assert part in text

    def test_no_space_goes_unseen_and_no_letter_passes_for_another(self, approver):
        row = add(arguments=["--root ", "", "/srv/f\u0456les"])

        text = page(approver, row, "approve").content.decode()

        assert ">&#x27;--root &#x27;<" in text
        assert ">&#x27;&#x27;<" in text
        assert text.count("with letters beyond ASCII") == 1

    def test_it_is_approved_as_it_was_shown(self, approver):
        row = add()

        response = approver.post(
            url("registeredserver_approve", row.pk), {"digest": digest(row)}, follow=True
        )

        assert told(response) == ["What the server files runs is approved, in every process."]
        assert tags() == ["server:add", "server:approve"]
        assert "approver" in page(approver, row).content.decode()

    def test_what_was_changed_since_is_not(self, approver):
        row = add()
        seen = digest(row)
        changes.set_server(ADA, row, arguments=["--unseen"])

        response = approver.post(url("registeredserver_approve", row.pk), {"digest": seen})

        assert "changed since you looked" in response.content.decode()
        assert "--unseen" in response.content.decode()
        assert RegisteredServer.objects.get().approval == {}

    @pytest.mark.parametrize("sent", [{}, {"digest": ""}, {"digest": "0" * 64}, {"digest": "x" * 10_000}])
    def test_nothing_else_approves(self, approver, sent):
        row = add()

        assert approver.post(url("registeredserver_approve", row.pk), sent).status_code == 200
        assert RegisteredServer.objects.get().approval == {}

    def test_who_made_it_cannot_approve_it(self, policy):
        both = browser_of(staff("add_registeredserver", CHANGE, "approve_registeredserver", name="both"))
        both.post(url("registeredserver_add"), TYPED)
        row = RegisteredServer.objects.get()

        shown = page(both, row, "approve").content.decode()
        both.post(url("registeredserver_approve", row.pk), {"digest": digest(row)})

        assert "somebody else has to approve it" in shown
        assert "Approve, and let it run" not in shown
        assert RegisteredServer.objects.get().approval == {}

    def test_the_difference_to_what_was_approved_is_marked(self, approver):
        row = approve(add(arguments=["-i"]))
        row = changes.set_server(ADA, row, arguments=["-i", "/opt/new"])

        text = page(approver, row, "approve").content.decode()

        assert text.count('<tr class="mcp-guard-differs">') == 1
        assert "Was approved" in text
        assert "Beyond the approval" in page(approver, row).content.decode()

    def test_only_who_may_approve_sees_the_way_to_it(self, maker, approver):
        row = add()
        way = url("registeredserver_approve", row.pk)

        assert way in page(approver, row).content.decode()
        assert way not in page(maker, row).content.decode()
        assert maker.post(way, {"digest": digest(row)}).status_code == 403


class TestLooking:
    @pytest.fixture
    def reader(self, policy):
        return browser_of(staff("view_registeredserver", name="reader"))

    def test_a_reader_sees_texts_and_no_inputs(self, reader):
        row = add(arguments=["--root", "a b"], hosts=["api.example.com:443"])

        text = page(reader, row).content.decode()

        assert "<textarea" not in text
        assert "a b" in text
        assert "api.example.com:443" in text

    def test_the_list_says_the_state_of_each(self, reader):
        approved("files")
        add("mail")
        changes.set_server(ADA, approved("off"), enabled=False)

        text = reader.get(url("registeredserver_changelist")).content.decode()

        for state in ("ready", "not_approved", "disabled"):
            assert text.count(f'data-state="{state}"') == 1

    @pytest.mark.parametrize(
        "broken", [{"arguments": "x"}, {"arguments": {"a": 1}}, {"changed_by": 7, "approval": 7}]
    )
    def test_a_row_that_was_edited_by_hand_is_shown_as_such(self, reader, broken):
        row = add()
        with policy_write():
            RegisteredServer.objects.update(**broken)

        assert page(reader, row).status_code == 200
        assert reader.get(url("registeredserver_changelist")).status_code == 200

    def test_why_this_machine_would_not_start_it_is_said(self, reader, monkeypatch):
        row = approved()
        monkeypatch.setattr(needs, "check", lambda _: None)
        before = page(reader, row).content.decode()

        def lacks(_: Confinement) -> None:
            raise ConfinementUnavailableError("bwrap is missing: install bubblewrap")

        monkeypatch.setattr(needs, "check", lacks)

        assert "would not start it" not in before
        assert "would not start it: bwrap is missing: install" in page(reader, row).content.decode()

    def test_hostile_texts_are_escaped(self, reader):
        evil = "<script>alert(1)</script>"
        row = add(arguments=[evil], description=evil)

        for response in (page(reader, row), reader.get(url("registeredserver_changelist"))):
            assert evil not in response.content.decode()

    def test_without_the_setting_the_page_says_so(self, reader, settings):
        row = add()
        settings.MCP_GUARD = {key: value for key, value in settings.MCP_GUARD.items() if key != "SERVERS"}

        assert "MCP_GUARD has no SERVERS" in page(reader, row).content.decode()


def test_servers_are_switched_off_and_on(maker):
    row = approved()
    for action, state in (("disable", False), ("enable", True)):
        maker.post(
            url("registeredserver_changelist"), {"action": action, "_selected_action": [row.pk]}, follow=True
        )
        assert RegisteredServer.objects.get().enabled is state
    assert tags()[-2:] == ["server:disable", "server:enable"]


def test_endpoints_of_servers_are_offered_and_shown_like_others(policy):
    approved()
    client = testing.add_client()
    testing.issue_token(client, "servers.files")
    names = (
        "view_token",
        "add_token",
        "change_token",
        "view_endpointstate",
        "change_endpointstate",
        "view_client",
    )
    browser = browser_of(staff(*names, name="operator"))

    for view in ("token_add", "token_changelist", "endpointstate_changelist"):
        text = browser.get(url(view)).content.decode()
        assert "servers.files" in text
        assert "not declared" not in text
    assert browser.get(url("endpointstate_change", "servers.files")).status_code == 200


def test_a_list_asks_a_few_times_which_servers_there_are_however_many_rows_name_one(policy):
    approved()
    client = testing.add_client()
    for number in range(12):
        testing.issue_token(client, "servers.files", name=f"t{number}")
        testing.list_origin(f"https://a{number}.example", client, "servers.files")
    browser = browser_of(staff("view_token", "view_allowedorigin", name="reader"))

    for view in ("token_changelist", "allowedorigin_changelist"):
        with CaptureQueriesContext(connection) as asked:
            assert browser.get(url(view)).status_code == 200
        assert sum("mcp_guard_registeredserver" in each["sql"] for each in asked) <= 3


def test_the_dashboard_names_those_that_wait(policy, settings):
    approved("files")
    waiting = add("mail", description="<script>alert(1)</script>")
    changes.set_server(ADA, add("off"), enabled=False)
    reader = browser_of(staff("view_registeredserver", name="reader"))

    text = reader.get(url("dashboard")).content.decode()
    settings.MCP_GUARD = {key: value for key, value in settings.MCP_GUARD.items() if key != "SERVERS"}
    without = reader.get(url("dashboard")).content.decode()

    assert url("registeredserver_change", waiting.pk) in text
    assert text.count('<ul class="mcp-guard-list"><li>') == 1
    assert "<script>alert(1)" not in text
    assert "mcp-guard-registered" not in without
