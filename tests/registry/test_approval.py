"""Nothing runs that one person alone decided, and nothing that was changed since it was approved."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from mcp_guard import changes
from mcp_guard.changes import Actor
from mcp_guard.live.holder import holder
from mcp_guard.live.servers import registered
from mcp_guard.models import AuditEvent, RegisteredServer
from mcp_guard.policy.decision import Reason
from mcp_guard.writing import policy_write
from tests.registry.registering import ADA, BEN, EVE, add, approve, approved, digest


def unserved(name: str = "files") -> Reason | None:
    holder.refresh()
    found = holder.snapshot.endpoints[f"servers.{name}"].unserved
    assert (found is None) == (registered(name) is not None)
    return found


def test_a_new_server_serves_nobody_until_a_second_person_approved_it(policy):
    row = add()
    before = unserved()

    approve(row)

    assert (before, unserved()) == (Reason.SERVER_NOT_APPROVED, None)
    assert registered("files").executable == "/usr/bin/env"


@pytest.mark.parametrize(
    "actor", [ADA, Actor("ADA", 3), Actor("renamed", 1)], ids=["same", "same name", "same account"]
)
def test_who_asked_for_it_cannot_approve_it(policy, actor):
    row = add()

    with pytest.raises(ValidationError, match="somebody else"):
        approve(row, actor)

    assert unserved() is Reason.SERVER_NOT_APPROVED


def test_who_took_part_in_a_change_cannot_approve_it_after_another_went_on(policy):
    row = approved()
    changes.set_server(ADA, row, arguments=["-i", "/opt/evil"])
    row = changes.set_server(EVE, row, memory_mb=512)

    for actor in (ADA, EVE):
        with pytest.raises(ValidationError, match="somebody else"):
            approve(row, actor)


MORE: dict[str, Any] = {
    "executable": "/bin/sh",
    "arguments": ["-c"],
    "folder": "/tmp",
    "environment": ["LANG=env:LANG"],
    "memory_mb": 512,
    "cpu_percent": 100,
    "cpu_seconds": 7200,
    "processes": 64,
    "open_files": 512,
    "file_mb": 128,
    "tmp_mb": 128,
    "writable": ["/srv/files"],
    "readable": ["/opt/venv"],
    "hosts": ["api.example.com:443"],
    "run_as": "nobody",
    "shared": True,
}


@pytest.mark.parametrize("field", MORE)
def test_what_goes_beyond_the_approval_stops_it(policy, field):
    row = approved(kill=True)

    changes.set_server(ADA, row, **{field: MORE[field]})

    assert unserved() is Reason.SERVER_NOT_APPROVED


def test_leaving_kill_mode_stops_it(policy):
    row = approved(kill=True)

    changes.set_server(ADA, row, kill=False)

    assert unserved() is Reason.SERVER_NOT_APPROVED


LESS: dict[str, Any] = {
    "memory_mb": 128,
    "cpu_percent": 10,
    "processes": 4,
    "writable": ["/srv/files/one"],
    "readable": [],
    "hosts": [],
    "kill": True,
    "shared": False,
    "idle_seconds": 600,
    "description": "notes",
}


@pytest.mark.parametrize("field", LESS)
def test_what_stays_within_the_approval_needs_no_other(policy, field):
    row = approved(
        writable=["/srv/files"], readable=["/opt/venv"], hosts=["api.example.com:443"], shared=True
    )

    changes.set_server(ADA, row, **{field: LESS[field]})

    assert unserved() is None


def test_going_back_to_what_was_approved_serves_again(policy):
    row = changes.set_server(ADA, approved(), arguments=["x"])
    between = unserved()

    row = changes.set_server(ADA, row, arguments=[])

    assert (between, unserved(), row.changed_by) == (Reason.SERVER_NOT_APPROVED, None, [])


def test_an_approval_is_of_what_was_seen(policy):
    row = add()
    seen = digest(row)
    changes.set_server(ADA, row, arguments=["--unseen"])

    with pytest.raises(ValidationError, match="look again"):
        changes.approve_server(BEN, row, digest=seen)

    assert unserved() is Reason.SERVER_NOT_APPROVED


def test_rows_written_by_another_hand_are_not_approved(policy, settings):
    """Whoever can write rows, and has no SECRET_KEY, can approve nothing."""
    row, other = approved("files"), approved("other", executable="/bin/sh")

    forged = RegisteredServer.objects.filter(pk=row.pk)
    with policy_write():
        forged.update(executable="/bin/sh", approval=other.approval, approval_seal=other.approval_seal)
    holder.forget_revision()

    assert (unserved("files"), unserved("other")) == (Reason.SERVER_NOT_APPROVED, None)


def write_past(row: RegisteredServer, **values: Any) -> RegisteredServer:
    """Return the row after somebody wrote into it past the app."""
    with policy_write():
        RegisteredServer.objects.filter(pk=row.pk).update(**values)
    return RegisteredServer.objects.get(pk=row.pk)


def past(row: RegisteredServer, other: RegisteredServer) -> dict[str, dict[str, Any]]:
    return {
        "another command": {"arguments": ["--evil"]},
        "nobody asked for it": {"changed_by": []},
        "somebody else did": {"changed_by": [["user 3", "eve"]]},
        "no person": {"changed_by": 7},
        "half a person": {"changed_by": [["user 3"]]},
        "without a seal": {"changed_seal": ""},
        "of another server": {"changed_by": other.changed_by, "changed_seal": other.changed_seal},
    }


@pytest.mark.parametrize("way", past(RegisteredServer(), RegisteredServer()))
def test_a_row_that_was_edited_by_hand_is_approved_by_nobody_before_somebody_saves_it(policy, way):
    row, other = add("files"), add("other", executable="/bin/sh")
    row = write_past(row, **past(row, other)[way])
    for actor in (ADA, BEN):
        with pytest.raises(ValidationError, match="edited past the admin"):
            approve(row, actor)

    row = changes.set_server(EVE, row, description="looked at")

    assert row.changed_by == [EVE.person]
    with pytest.raises(ValidationError, match="somebody else"):
        approve(row, EVE)
    approve(row, BEN)
    assert unserved() is None


def test_what_one_person_approved_for_himself_waits_for_another_once_two_are_needed(policy, settings):
    """A row that two have approved stays so, whoever saves it while one is enough."""
    of_two = approved("mail")
    settings.MCP_GUARD = settings.MCP_GUARD | {"SERVERS_NEED_APPROVAL": False}
    changes.set_server(ADA, add("files"), memory_mb=64)
    changes.set_server(ADA, of_two, memory_mb=64)
    settings.MCP_GUARD = settings.MCP_GUARD | {"SERVERS_NEED_APPROVAL": True}

    assert (unserved("files"), unserved("mail")) == (Reason.SERVER_NOT_APPROVED, None)
    approve(RegisteredServer.objects.get(name="files"), BEN)
    assert unserved("files") is None


def test_a_new_secret_key_keeps_approvals_as_long_as_the_old_one_is_kept(policy, settings):
    approved()
    old = settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [old]
    holder.forget_revision()
    kept = unserved()

    settings.SECRET_KEY_FALLBACKS = []
    holder.forget_revision()

    assert (kept, unserved()) == (None, Reason.SERVER_NOT_APPROVED)


def test_where_one_person_is_enough_the_change_is_its_own_approval(policy, settings):
    settings.MCP_GUARD = settings.MCP_GUARD | {"SERVERS_NEED_APPROVAL": False}
    row = add()
    alone = unserved()
    changes.set_server(ADA, row, arguments=["x"])
    changed = unserved()

    settings.MCP_GUARD = settings.MCP_GUARD | {"SERVERS_NEED_APPROVAL": True}

    assert (alone, changed, unserved()) == (None, None, Reason.SERVER_NOT_APPROVED)
    with pytest.raises(ValidationError, match="somebody else"):
        approve(RegisteredServer.objects.get(), ADA)
    approve(RegisteredServer.objects.get(), BEN)
    assert unserved() is None


def test_a_disabled_server_refuses_for_that_reason(policy):
    changes.set_server(ADA, approved(), enabled=False)

    assert unserved() is Reason.SERVER_DISABLED
    assert AuditEvent.objects.latest("pk").tag == "server:disable"


def test_the_trail_names_who_approved_what(policy):
    row = approved()

    event = AuditEvent.objects.get(tag="server:approve")
    assert (event.actor_label, event.subject, event.after["approved"]) == ("ben", "files", digest(row))
    assert event.after["executable"] == "/usr/bin/env"
