"""docs/refusals.md: every reason is there with what the outside really sees of it, and no other reason."""

from __future__ import annotations

import json
import re

import pytest

from mcp_guard.explain.reasons import ADVICE
from mcp_guard.mcp.consumer import SERVER_FAILED
from mcp_guard.policy import reply
from mcp_guard.policy.decision import Reason, Refused
from tests.docs.pages import ROOT, blocks, code, rows, section

PAGE = ROOT / "docs" / "refusals.md"
TEXT = PAGE.read_text("utf-8")
ROWS = {code(row[0]): row for row in rows(section(PAGE, "Reasons"))}


def test_every_reason_has_one_row():
    names = [code(row[0]) for row in rows(section(PAGE, "Reasons"))]

    assert sorted(names) == sorted(reason.value for reason in Reason)


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.value)
def test_a_row_says_what_the_outside_sees(reason):
    _, status, close, message, meaning, remedy = ROWS[reason.value]

    assert int(status) == reply.status(reason)
    assert int(close) == reply.close_code(reason)
    assert message == reply.message(reason)
    assert meaning.endswith(".")
    assert remedy.endswith(".")


def test_the_tables_follow_the_order_of_judgement():
    order = [reason.value for advices in ADVICE.values() for reason in advices]
    gate = [code(row[0]) for row in rows(section(PAGE, "The gate itself"))]

    assert set(gate) <= set(order)
    assert list(ROWS)[-len(gate) :] == gate


def test_the_body_is_the_one_that_is_sent():
    shown = json.loads(blocks(PAGE)[0].text)
    sent = json.loads(reply.refusal(Refused(Reason.TOKEN_UNKNOWN), None, "5f0c…").body)

    assert shown == sent


def test_the_headers_are_those_that_are_sent():
    def headers(reason):
        return dict(reply.refusal(Refused(reason), None, "").headers)

    assert headers(Reason.CREDENTIAL_MISSING)[b"www-authenticate"] == b'Bearer realm="mcp"'
    assert b'error="invalid_token"' in headers(Reason.TOKEN_REVOKED)[b"www-authenticate"]
    assert b'error="insufficient_scope"' in headers(Reason.SCOPE_INSUFFICIENT)[b"www-authenticate"]
    assert headers(Reason.POLICY_TOO_OLD)[b"retry-after"] == b"5"
    assert "`Retry-After: 5`" in TEXT
    assert all(headers(reason)[b"cache-control"] == b"no-store" for reason in Reason)
    assert all(headers(reason)[b"vary"] == b"Origin" for reason in Reason)


def test_the_close_codes_without_a_reason_are_named():
    [line] = re.findall(r"^Further close codes: .*$", TEXT, re.MULTILINE)

    assert f"{SERVER_FAILED}, the MCP server failed" in line


def test_what_clients_make_of_it_covers_every_status():
    told = {
        int(status)
        for row in rows(section(PAGE, "What MCP clients make of it"))
        for status in row[0].split(",")
    }

    assert told == {reply.status(reason) for reason in Reason}
