"""A change of a registered server is one revision and one audit event, and what is wrong is said by field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from mcp_guard import changes
from mcp_guard.models import AuditEvent, Change, RegisteredServer, Revision
from mcp_guard.writing import PolicyWriteRefused
from tests.registry.registering import ADA, BEN, add, approve, approved, digest

CHANGES: dict[str, Callable[[RegisteredServer], Any]] = {
    "server:add": lambda _: add("another"),
    "server:set": lambda row: changes.set_server(ADA, row, arguments=["-i"]),
    "server:disable": lambda row: changes.set_server(ADA, row, enabled=False),
    "server:enable": lambda row: changes.set_server(ADA, row, enabled=True),
    "server:approve": approve,
    "server:remove": lambda row: changes.remove_server(ADA, row),
}


@pytest.mark.parametrize("tag", CHANGES)
def test_a_change_raises_the_revision_by_one_and_leaves_its_records(policy, tag):
    row = add()
    before = Revision.objects.get().n

    CHANGES[tag](row)

    assert Revision.objects.get().n == before + 1
    assert Change.objects.get(revision=before + 1).subject == "server"
    event = AuditEvent.objects.get(revision=before + 1)
    assert (event.tag, event.category) == (tag, "policy")
    assert event.actor_label == ("ben" if tag == "server:approve" else "ada")


LITERALS = {
    "a key of a provider": "sk-proj-0123456789abcdefghij",
    "a token of a forge": "ghp_0123456789abcdefghij",
    "a token of this app": "mcpg_0123456789abcdefghij",
    "an option with a password": "--db-password=hunter2",
    "a URL with a password": "postgres://portal:hunter2@db/portal",
    "hexadecimal": "0123456789abcdef0123456789abcdef",
    "an option with something random": "--id=aGVsbG8gd29ybGQgaGVsbG8gd29ybGQ1",
    "a signed token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
}

BAD: list[tuple[str, Any, str]] = [
    ("name", "Files", "a-z"),
    ("name", "a.b", "a-z"),
    ("name", "../etc", "a-z"),
    ("name", "a" * 41, "at most 40"),
    ("executable", "env", "absolute"),
    ("executable", "/usr/bin/../bin/env", "plain form"),
    ("executable", "/usr//bin/env", "plain form"),
    ("executable", "/usr/bin/env\n", "invisible"),
    ("executable", "/" + "a" * 1_000, "characters"),
    ("arguments", "-v", "list of texts"),
    ("arguments", [1], "list of texts"),
    ("arguments", ["a\x00"], "1: there is an invisible"),
    ("arguments", ["x"] * 65, "more than 64"),
    ("arguments", ["serve", "--token", "hunter2"], "3: this looks like a secret"),
    *(("arguments", ["-v", text], "2: this looks like a secret") for text in LITERALS.values()),
    ("folder", "tmp", "absolute"),
    ("environment", ["API_KEY=hunter2"], "API_KEY has a value, and no value is stored"),
    ("environment", ["API_KEY"], "API_KEY has a value"),
    ("environment", ["API_KEY=env:"], "API_KEY has a value"),
    ("environment", ["API_KEY=file:secret"], "API_KEY: a path is absolute"),
    ("environment", ["1=env:X"], "name of a variable"),
    ("environment", ["A=env:X", "A=env:Y"], "A is there twice"),
    ("environment", ["LD_PRELOAD=env:X"], "another program"),
    ("level", "none", "not a valid choice"),
    ("level", "landlock", "SERVERS_LEVEL is “required”"),
    ("memory_mb", 31, "greater than or equal to 32"),
    ("memory_mb", 65_537, "less than or equal to 65536"),
    ("processes", 0, "greater than"),
    ("writable", ["/"], "could replace"),
    ("writable", ["/srv"], "of its own"),
    ("writable", ["/etc/cron.d"], "of its own"),
    ("writable", ["/proc/sys"], "of its own"),
    ("writable", ["/var/lib"], "of its own"),
    ("writable", ["/srv/a", "/srv/a"], "there twice"),
    ("writable", ["/srv/a/../b"], "plain form"),
    ("readable", ["opt"], "absolute"),
    ("hosts", ["api.example.com"], "with its port"),
    ("hosts", ["127.0.0.1:5432"], "full name"),
    ("hosts", ["localhost:80"], "full name"),
    ("hosts", ["API.example.com:443"], "full name"),
    ("hosts", ["api.example.com:65536"], "full name"),
    ("hosts", ["*.example.com:443"], "full name"),
    ("idle_seconds", 1, "greater than"),
]


@pytest.mark.parametrize(("field", "value", "said"), BAD, ids=range(len(BAD)))
def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_stored(policy, field, value, said):
    with pytest.raises(ValidationError) as caught:
        add(**{field: value})

    assert set(caught.value.message_dict) == {field}
    assert said in " ".join(caught.value.message_dict[field])
    assert not RegisteredServer.objects.exists()


def test_no_message_and_no_event_repeats_what_looks_like_a_secret(policy):
    row = add()
    for literal in (*LITERALS.values(), "hunter2"):
        with pytest.raises(ValidationError) as caught:
            changes.set_server(ADA, row, arguments=["--token", literal], environment=[f"KEY={literal}"])
        assert literal not in str(caught.value)
        assert "hunter2" not in str(caught.value)

    assert "hunter2" not in str(list(AuditEvent.objects.values("before", "after")))


FINE: list[list[str]] = [
    ["-m", "server", "--root", "/srv/files"],
    ["/opt/mcp/node_modules/.bin/server-filesystem", "/srv/files"],
    ["--token-file", "/run/secrets/token"],
    ["--token", "/run/secrets/token"],
    ["--url=https://api.example.com/v1/something/that/is/long"],
    ["--port=8080", "", "a b"],
    ["--project-name=a-rather-long-name-of-some-project-2030"],
    ["--id", "0b5c8a4e-6a55-4a52-9d3e-2c8a1c0b7d11"],
]


@pytest.mark.parametrize("arguments", FINE, ids=range(len(FINE)))
def test_ordinary_arguments_are_taken(policy, arguments):
    assert add(arguments=arguments).arguments == arguments


@pytest.mark.parametrize("writable", ["/opt/mcp", "/opt/mcp/bin", "/srv/app"])
def test_a_server_cannot_be_given_what_it_is_started_from(policy, writable):
    with pytest.raises(ValidationError, match="could replace"):
        add(executable="/opt/mcp/bin/server", arguments=["/srv/app/main.py"], writable=[writable])


START = {
    "executable": "/opt/mcp/bin/server",
    "arguments": ["/opt/mcp/main.py"],
    "environment": ["API_KEY=file:/opt/mcp/key"],
}


@pytest.mark.parametrize("field", START)
def test_no_server_may_write_what_one_is_started_from(policy, monkeypatch, field):
    monkeypatch.setattr("mcp_guard.machine.refusals", lambda _: {})  # nothing of it is on this machine
    started = {field: START[field]}
    with pytest.raises(ValidationError, match=r"/opt/mcp holds .*could replace"):
        add(writable=["/opt/mcp"], **started)
    add("victim", **started)
    with pytest.raises(ValidationError, match=r"/opt/mcp holds .*the server victim is started from"):
        add("writer", writable=["/opt/mcp"])
    add("writer", writable=["/opt/mcp-out"])
    add("late", writable=["/srv/late"])
    with pytest.raises(ValidationError, match="the server late may write there: /srv/late holds"):
        add("another", executable="/srv/late/server")


def test_a_server_keeps_its_name(policy):
    row = approved()

    with pytest.raises(ValidationError, match="keeps its name"):
        changes.set_server(ADA, row, name="other")


def test_as_many_as_the_setting_says(policy, settings):
    settings.MCP_GUARD = settings.MCP_GUARD | {"SERVER_ROWS": 1}
    add()

    with pytest.raises(ValidationError, match="SERVER_ROWS"):
        add("another")


def test_an_approval_that_is_given_already_is_no_second_one(policy):
    row = approved()

    with pytest.raises(ValidationError, match="approved already"):
        changes.approve_server(BEN, row, digest=digest(row))


def test_no_other_way_writes_a_row(policy):
    row = approved()

    for write in (row.save, row.delete, RegisteredServer.objects.update):
        with pytest.raises(PolicyWriteRefused):
            write()


@pytest.mark.parametrize(
    "field", ["approval", "approval_seal", "changed_by", "changed_seal", "created_at", "id"]
)
def test_what_makes_an_approval_is_no_field_of_a_change(policy, field):
    row = add()

    with pytest.raises(TypeError, match=field):
        changes.set_server(ADA, row, **{field: "x"})


def test_a_level_without_a_way_out_has_no_hosts(policy, settings):
    settings.MCP_GUARD = settings.MCP_GUARD | {"SERVERS_LEVEL": "landlock"}

    with pytest.raises(ValidationError) as caught:
        add(level="landlock", hosts=["api.example.com:443"])

    assert "no network at all" in caught.value.message_dict["hosts"][0]
