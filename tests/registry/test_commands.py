"""``manage.py mcp_guard server``: all that the screens do, by whoever has an account on the machine."""

from __future__ import annotations

import pytest

from mcp_guard import changes
from mcp_guard.management.cli import call
from mcp_guard.models import AuditEvent, RegisteredServer
from tests.operators.command_line import runner
from tests.registry.registering import ADA, add, approve, digest


@pytest.fixture
def run(policy, monkeypatch):
    return runner(monkeypatch)


@pytest.fixture
def account(monkeypatch):
    """Return a function that says whose account the command is run from."""

    def of(name: str) -> None:
        monkeypatch.setattr(call, "_os_user", lambda: name)

    of("carol")
    return of


ADD = ("server", "add", "files", "--executable", "/usr/bin/env")


def test_a_server_is_registered_with_all_that_is_said(run, account):
    result = run(
        *ADD, "--argument=-i", "--argument", "a b", "--folder", "/tmp", "--env", "KEY=env:FILES_KEY",
        "--memory", "128", "--cpu-percent", "20", "--cpu-seconds", "60", "--processes", "8",
        "--open-files", "64", "--file-size", "2", "--tmp-size", "3", "--idle", "30",
        "--writable", "/srv/a", "/srv/b", "--readable", "/opt/venv", "--host", "api.example.com:443",
        "--level", "required", "--kill", "--shared", "--run-as", "nobody", "--description", "Files", "--json",
    )  # fmt: skip

    assert result.status == 0
    assert {
        "endpoint": "servers.files",
        "state": "waits for approval",
        "executable": "/usr/bin/env",
        "arguments": ["-i", "a b"],
        "folder": "/tmp",
        "environment": ["KEY=env:FILES_KEY"],
        "memory_mb": 128,
        "cpu_percent": 20,
        "cpu_seconds": 60,
        "processes": 8,
        "open_files": 64,
        "file_mb": 2,
        "tmp_mb": 3,
        "idle_seconds": 30,
        "writable": ["/srv/a", "/srv/b"],
        "readable": ["/opt/venv"],
        "hosts": ["api.example.com:443"],
        "kill": True,
        "shared": True,
        "run_as": "nobody",
        "description": "Files",
        "changed_by": ["carol"],
        "approved_by": None,
    }.items() <= result.data.items()
    assert "until somebody else approves it" in result.err


def test_a_second_account_approves_what_it_was_shown(run, account):
    run(*ADD)
    shown = run("server", "show", "files", "--json").data["digest"]
    refused = run("server", "approve", "files", shown, "--json")
    account("dora")
    approved = run("server", "approve", "files", shown[:12], "--json")

    assert (refused.status, refused.data["error"]["message"]) == (
        2,
        "somebody else has to approve it: you are among those who changed it",
    )
    assert (approved.status, approved.data["state"], approved.data["approved_by"]) == (0, "ready", "dora")
    assert AuditEvent.objects.latest("pk").actor_label == "command mcp_guard server approve by dora"


def test_a_user_of_the_admin_and_an_account_of_the_same_name_are_one_person(run, account):
    row = add()
    account("Ada")

    assert run("server", "approve", "files", digest(row)).status == 2


@pytest.mark.parametrize("typed", ["", "0", "f" * 12, "f" * 64])
def test_another_digest_approves_nothing(run, account, typed):
    add()

    assert run("server", "approve", "files", typed).status == 2
    assert RegisteredServer.objects.get().approval == {}


def test_what_is_not_as_approved_is_shown(run, account):
    row = approve(add(arguments=["-i"], memory_mb=128))
    changes.set_server(ADA, row, arguments=["-i", "x y"], memory_mb=64)

    result = run("server", "show", "files")

    assert "+ arguments: -i -> -i 'x y'" in result.out
    assert "  memory_mb: 128 -> 64" in result.out
    data = run("server", "show", "files", "--json").data
    assert data["differences"][0] == {
        "field": "arguments",
        "approved": ["-i"],
        "asked": ["-i", "x y"],
        "needs_approval": True,
    }


def test_options_left_out_stay_and_lists_can_be_emptied(run, account):
    add(arguments=["-i"], hosts=["api.example.com:443"], memory_mb=128)

    run("server", "set", "files", "--host", "--no-arguments")

    row = RegisteredServer.objects.get()
    assert (row.hosts, row.arguments, row.memory_mb) == ([], [], 128)


def test_it_is_switched_off_and_on_and_removed(run, account):
    add()

    assert run("server", "disable", "files", "--json").data["state"] == "disabled"
    assert run("server", "enable", "files", "--json").data["enabled"] is True
    assert run("server", "remove", "files").out == "removed server files and its endpoint servers.files\n"
    assert run("server", "list").out == "no registered servers\n"


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("server", "add", "files", "--executable", "env"), "executable"),
        ((*ADD, "--env", "KEY=hunter2"), "environment"),
        ((*ADD, "--argument=--password=hunter2"), "arguments"),
        ((*ADD, "--argument", "x", "--no-arguments"), "arguments"),
        ((*ADD, "--level", "loose"), "level"),
        ((*ADD, "--host", "localhost:5432"), "hosts"),
        (("server", "show", "nope"), "name"),
    ],
)
def test_bad_input_is_said_beside_its_field_without_a_secret(run, account, arguments, field):
    result = run(*arguments, "--json")

    assert (result.status, list(result.fields)) == (2, [field])
    assert "hunter2" not in result.out + result.err


def test_nothing_to_change_is_bad_input(run, account):
    add()

    assert run("server", "set", "files").status == 2


def test_without_the_setting_the_list_says_why_it_is_empty(run, settings):
    settings.MCP_GUARD = {key: value for key, value in settings.MCP_GUARD.items() if key != "SERVERS"}

    assert run("server", "list").out == "no registered servers: MCP_GUARD has no SERVERS\n"
    assert "no SERVERS" in run(*ADD).err


def test_endpoints_of_servers_stand_in_the_list(run, account):
    add()

    rows = {row["name"]: row for row in run("endpoint", "list", "--json").data}
    assert rows["servers.files"]["profile"] == "token"
    assert run("endpoint", "report-only", "servers.files").status == 0
    assert run("endpoint", "report-only", "servers").status == 2


def test_a_check_says_at_which_step_a_server_is_not_served(run, account):
    row = add()
    asked = ("check", "--endpoint", "servers.files", "--token")
    token = run("client", "add", "partner"), run("scope", "add", "reading", "--grant", "tools/call:read_file")
    assert [result.status for result in token] == [0, 0]
    issued = run(
        "token", "issue", "--client", "partner", "--name", "n", "--endpoint", "servers.files",
        "--scope", "reading", "--json",
    ).data["token"]  # fmt: skip
    before = run(*asked, "--tool", "read_file", "--json", stdin=issued).data
    approve(row)
    after = run(*asked, "--tool", "read_file", "--json", stdin=issued).data

    assert (before["outcome"], before["reason"]) == ("refused", "server_not_approved")
    assert after["outcome"] == "admitted"
