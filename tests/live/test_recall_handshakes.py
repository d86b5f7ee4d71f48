"""What is recalled of a handshake is what the rules would say of it now; it is counted and noted alike."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_guard import changes, conf, gate, testing, wire
from mcp_guard.audit.counts import decisions
from mcp_guard.audit.inbox import inbox
from mcp_guard.live.holder import holder
from mcp_guard.passage import Passage
from mcp_guard.policy import decide as rules
from mcp_guard.policy import reply
from mcp_guard.policy.decision import Admitted, Reason, Refused
from mcp_guard.policy.headers import READ
from mcp_guard.testing import ACTOR

ORIGIN = "https://app.example.com"
OTHER = b"https://evil.example"


@pytest.fixture
def token(policy, settings):
    settings.MCP_GUARD = {"ENDPOINTS": {"notes": {"profile": "partner"}}}
    settings.ALLOWED_HOSTS = ["mcp.example.com"]
    client = testing.add_client()
    testing.list_origin(ORIGIN, client, "notes")
    issued = testing.issue_token(client, "notes", scopes=[], kind="any")
    holder.refresh()
    return issued


def scope(token: Any, **changed: bytes | None) -> dict[str, Any]:
    headers: dict[bytes, bytes | None] = {
        b"host": b"mcp.example.com",
        b"upgrade": b"websocket",
        b"sec-websocket-version": b"13",
        b"sec-websocket-key": b"dGhlIHNhbXBsZSBub25jZQ==",
        b"origin": ORIGIN.encode(),
        b"authorization": f"Bearer {token.text}".encode(),
        b"user-agent": b"a browser",
    }
    headers |= {name.replace("_", "-").encode(): value for name, value in changed.items()}
    return {
        "type": "websocket",
        "path": "/ws",
        "raw_path": b"/ws",
        "query_string": b"",
        "scheme": "ws",
        "client": ("192.0.2.1", 1),
        "root_path": "",
        "headers": [(name, value) for name, value in headers.items() if value is not None],
    }


def told(asked: dict[str, Any]) -> Any:
    """Return the head and decision of a handshake that is let in, else with which code it is closed."""
    endpoint = conf.endpoint("notes")
    judged = gate.judge_scope(endpoint, asked)
    if isinstance(judged, reply.Reply):
        return judged.status
    if isinstance(judged, Passage):
        return judged.head, judged.admitted
    return _told(judged.head, gate.settle(endpoint, *judged))


def told_afresh(asked: dict[str, Any]) -> Any:
    endpoint = conf.endpoint("notes")
    head = wire.from_scope(asked, endpoint)
    return _told(head, gate.settle(endpoint, head, gate.judge(endpoint, head)))


def _told(head: Any, decision: Any) -> Any:
    return reply.close_code(decision.reason) if isinstance(decision, Refused) else (head, decision)


CHANGED = [{name.decode(): value} for name in sorted(READ) for value in (None, b"", b"1", b"evil")] + [
    {"sec-websocket-protocol": b"mcp"},
    {"sec-websocket-protocol": b"mcp, mcp.auth.eA"},
    {"sec-websocket-key": b"AAAAAAAAAAAAAAAAAAAAAA=="},
    {"origin": OTHER},
]


@pytest.mark.parametrize("changed", CHANGED, ids=str)
def test_another_handshake_is_judged_as_if_nothing_was_known(token, changed):
    told(scope(token))
    told(scope(token, origin=OTHER))
    asked = scope(token, **changed)
    assert told(asked) == told_afresh(asked)
    assert told(asked) == told_afresh(asked)


def test_a_request_over_http_is_another_exchange(token):
    told(scope(token))
    asked = {**scope(token), "type": "http", "method": "GET", "scheme": "ws"}
    judged = gate.judge_scope(conf.endpoint("notes"), asked)
    assert not isinstance(judged, Passage) or judged.head.exchange.value == "request"


def test_the_rules_run_once_for_handshakes_that_are_alike(token, monkeypatch):
    told(scope(token))
    told(scope(token, origin=OTHER))
    monkeypatch.setattr(rules, "decide", lambda *_: pytest.fail("judged again"))
    key = {"sec-websocket-key": b"AAAAAAAAAAAAAAAAAAAAAA=="}
    assert isinstance(told(scope(token, **key))[1], Admitted)
    assert told(scope(token, origin=OTHER, **key)) == 4403


def test_each_refusal_that_is_recalled_is_counted_and_noted(token):
    asked = scope(token, origin=OTHER)
    told_first = told(asked)
    gate.note(
        conf.endpoint("notes"), wire.from_scope(asked, conf.endpoint("notes")), Reason.ORIGIN_NOT_LISTED
    )
    counted = ("notes", "handshake", Reason.ORIGIN_NOT_LISTED.value)
    before, groups = decisions.all()[counted], inbox.take()
    assert [told(asked) for _ in range(5)] == [told_first] * 5
    assert decisions.all()[counted] == before + 5
    [(key, group)] = inbox.take().items()
    assert (key in groups, group.count, len({one.correlation_id for one in group.latest})) == (True, 5, 5)


def test_a_revoked_token_and_a_listed_origin_are_not_recalled_otherwise(token):
    assert isinstance(told(scope(token))[1], Admitted)
    assert told(scope(token, origin=OTHER)) == 4403
    testing.list_origin(OTHER.decode(), token.token.client, "notes")
    assert isinstance(told(scope(token, origin=OTHER))[1], Admitted)
    changes.revoke_token(ACTOR, token.token)
    assert told(scope(token)) == 4401
