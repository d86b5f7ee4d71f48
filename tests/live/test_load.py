"""A row that somebody edited by hand is left out and named; everything else goes on."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from mcp_guard import gate, testing
from mcp_guard.live.holder import holder
from mcp_guard.policy.decision import Admitted, Reason
from tests.live.heads import endpoint, head

pytestmark = pytest.mark.usefixtures("policy")

LISTED = "https://app.acme.example"
OTHER = "https://other.acme.example"


class Rows:
    """The rows of a partner: what is broken in a test, and its twin that has to go on working."""

    def __init__(self) -> None:
        testing.grant_scope("notes-read")  # the settings of the tests name it
        scope = testing.grant_scope("reading", "tools/call:read_note")
        client = testing.add_client(scopes=[scope])
        self.origin = testing.list_origin(LISTED, client, "notes", "tools")
        self.twin = testing.list_origin(OTHER, client, "notes")
        self.token = testing.issue_token(client, "notes", scopes=[scope], kind="any")
        self.other = testing.issue_token(client, "notes", scopes=[scope], kind="any", name="other")
        holder.refresh()
        assert holder.snapshot.problems == ()


@pytest.fixture
def rows() -> Rows:
    return Rows()


def edit(table: str, **values: Any) -> None:
    """Change a row past every check, as a shell on the database can."""
    key = values.pop("where")
    names = ", ".join(f"{name} = %s" for name in values)
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE mcp_guard_{table} SET {names} WHERE id = %s", [*values.values(), key])
    holder.forget_revision()
    holder.refresh()


def judge(issued: Any, origin: str = LISTED, name: str = "notes") -> Any:
    on = endpoint(name)
    return gate.judge(on, head(on, origin=origin, authorization=f"Bearer {issued.text}"))


def problem() -> str:
    (only,) = holder.snapshot.problems
    return only


@pytest.mark.parametrize(
    "origin",
    [
        "https://App.acme.example",
        "https://app.acme.example/",
        "*",
        "null",
        "",
        "app.acme.example",
        "https://b\xfc.example",
    ],
)
def test_an_origin_that_no_browser_sends_lists_nobody(rows: Rows, origin: str):
    edit("allowedorigin", origin=origin, where=rows.origin.pk)

    assert f"#{rows.origin.pk}" in problem()
    assert "canonical form" in problem()
    assert judge(rows.token).reason is Reason.ORIGIN_NOT_LISTED
    assert isinstance(judge(rows.token, OTHER), Admitted)


@pytest.mark.parametrize("endpoints", ['"notes"', "{}", "1", "null", "[1]", '["notes", null]'])
def test_endpoints_that_are_no_list_of_names_list_nobody(rows: Rows, endpoints: str):
    edit("allowedorigin", endpoints=endpoints, where=rows.origin.pk)

    assert "endpoints is not a list of names" in problem()
    assert judge(rows.token).reason is Reason.ORIGIN_NOT_LISTED
    assert isinstance(judge(rows.token, OTHER), Admitted)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [("kind", "everything", "everything"), ("endpoints", '"notes"', "endpoints is not a list of names")],
)
def test_a_broken_token_is_unknown(rows: Rows, column: str, value: str, said: str):
    edit("token", **{column: value}, where=rows.token.token.pk)

    assert said in problem()
    assert rows.token.text not in problem()
    assert judge(rows.token).reason is Reason.TOKEN_UNKNOWN
    assert isinstance(judge(rows.other), Admitted)


@pytest.mark.parametrize("digest", ["", "zz" * 32, "ab" * 31, "AB"])
def test_a_broken_digest_is_nobodys(rows: Rows, digest: str):
    edit("tokensecret", digest=digest, where=rows.token.token.secrets.get().pk)

    assert f"(#{rows.token.token.pk})" in problem()
    assert judge(rows.token).reason is Reason.TOKEN_UNKNOWN
    assert isinstance(judge(rows.other), Admitted)


@pytest.mark.parametrize(
    "grants",
    [
        '["*"]',
        '["tools/call"]',
        '[" tools/call:read_note"]',
        '["tools/call:read_*"]',
        '"tools/call:read_note"',
        "[1]",
        "{}",
    ],
)
def test_a_broken_scope_grants_nothing_at_all(rows: Rows, grants: str):
    edit("scope", grants=grants, where=rows.token.token.scopes.get().pk)

    assert "scope #" in problem()
    admitted = judge(rows.token)
    assert isinstance(admitted, Admitted)
    assert (admitted.principal.grants.exact, admitted.principal.grants.prefixes) == (frozenset(), ())


def test_all_broken_rows_are_named(rows: Rows):
    edit("allowedorigin", origin="null", where=rows.origin.pk)
    edit("scope", grants="1", where=rows.token.token.scopes.get().pk)
    edit("token", kind="", where=rows.token.token.pk)

    assert len(holder.snapshot.problems) == 3


def test_a_mended_row_counts_again(rows: Rows):
    edit("allowedorigin", origin="null", where=rows.origin.pk)
    edit("allowedorigin", origin=LISTED, where=rows.origin.pk)

    assert holder.snapshot.problems == ()
    assert isinstance(judge(rows.token), Admitted)


def test_without_rows_there_is_nobody():
    on = endpoint("notes")
    holder.refresh()

    assert holder.snapshot.revision == 0
    assert gate.judge(on, head(on, origin=LISTED)).reason is Reason.ORIGIN_NOT_LISTED
    assert gate.judge(on, head(on)).reason is Reason.CREDENTIAL_MISSING
