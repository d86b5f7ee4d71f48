"""A scope counts at the endpoints that it names, so equal names of tools at two of them share no grant."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection

from mcp_guard import changes, gate, testing
from mcp_guard.live.holder import holder
from mcp_guard.live.rows import NamedScope, joined
from mcp_guard.policy.decision import Admitted, Reason, Refused
from mcp_guard.policy.scopes import Operation
from mcp_guard.testing import ACTOR
from tests.live.heads import endpoint, head

pytestmark = pytest.mark.usefixtures("policy")

READ = Operation("tools/call", "read_note")
WRITE = Operation("tools/call", "write_note")


def may(issued: Any, name: str, operation: Operation) -> bool:
    on = endpoint(name)
    admitted = gate.judge(on, head(on, authorization=f"Bearer {issued.text}"))
    assert isinstance(admitted, Admitted)
    permitted = gate.permit(admitted, operation)
    assert isinstance(permitted, Admitted) or permitted.reason is Reason.SCOPE_INSUFFICIENT
    return not isinstance(permitted, Refused)


def test_a_token_may_use_a_tool_at_the_endpoint_of_its_scope_alone():
    everywhere = testing.grant_scope("reading", "tools/call:read_note")
    here = testing.grant_scope("writing", "tools/call:write_note", endpoints=["notes"])
    issued = testing.issue_token(testing.add_client(), "notes", "tools", scopes=[everywhere, here])
    holder.refresh()

    assert [may(issued, name, READ) for name in ("notes", "tools")] == [True, True]
    assert [may(issued, name, WRITE) for name in ("notes", "tools")] == [True, False]


def test_a_scope_that_moves_takes_its_grants_with_it():
    scope = testing.grant_scope("writing", "tools/call:write_note", endpoints=["notes"])
    issued = testing.issue_token(testing.add_client(), "notes", "tools", scopes=[scope])
    changes.set_scope(ACTOR, scope, endpoints=["tools"])
    holder.refresh()

    assert [may(issued, name, WRITE) for name in ("notes", "tools")] == [False, True]


def test_a_session_has_of_its_client_what_counts_there():
    scope = testing.grant_scope("writing", "tools/call:write_note", endpoints=["notes"])
    client = testing.add_client(scopes=[scope])
    testing.list_origin("https://app.acme.example", client, "notes", "tools", cookies=True)
    holder.refresh()

    listings = {
        name: holder.snapshot.endpoints[name].allowlist[b"https://app.acme.example"]
        for name in ("notes", "tools")
    }
    assert listings["notes"].grants.at("notes").cover(WRITE)
    assert not listings["tools"].grants.at("tools").cover(WRITE)


def test_an_endpoint_that_is_not_declared_is_no_place_for_a_scope():
    with pytest.raises(ValidationError) as raised:
        testing.grant_scope("writing", "tools/call:write_note", endpoints=["nowhere"])
    assert list(raised.value.message_dict) == ["endpoints"]


def test_a_scope_whose_endpoints_are_no_list_of_names_opens_nothing():
    scope = testing.grant_scope("writing", "tools/call:write_note")
    issued = testing.issue_token(testing.add_client(), "notes", scopes=[scope])
    with connection.cursor() as cursor:
        cursor.execute("UPDATE mcp_guard_scope SET endpoints = %s WHERE id = %s", ['"notes"', scope.pk])
    holder.forget_revision()
    holder.refresh()

    assert not may(issued, "notes", WRITE)
    assert f"scope #{scope.pk}: endpoints is not a list of names" in holder.snapshot.problems


def test_scopes_that_could_not_be_parsed_have_no_grants():
    known = {1: NamedScope("one", ["tools/call:read_note"], frozenset())}
    assert joined([1, 2], known).cover(READ)
    assert not joined([2], known).cover(READ)
