"""What is recalled of a head is what the rules would say of it now, for every head that is alike."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import RequestFactory
from django.utils import timezone

from mcp_guard import changes, conf, gate, sighting, testing, wire
from mcp_guard.audit.counts import decisions
from mcp_guard.generations import Generations
from mcp_guard.known_answers import known_refusals
from mcp_guard.live.holder import holder
from mcp_guard.mcp.permit import UNKNOWN, permit_body
from mcp_guard.passage import Passage, inner_scope, without_credentials
from mcp_guard.policy import decide as rules
from mcp_guard.policy.decision import Admitted, Reason, Refused
from mcp_guard.policy.facts import RequestFacts
from mcp_guard.policy.headers import READ
from mcp_guard.policy.reply import Reply
from mcp_guard.presented import present
from mcp_guard.recall import recall
from mcp_guard.testing import ACTOR

ORIGIN = "https://app.example.com"
PAGE = b"https://app.example.com"
ENDPOINTS = {"notes": {"profile": "partner"}, "other": {"profile": "partner", "token_header": "X-Second"}}


@pytest.fixture
def token(policy, settings):
    settings.MCP_GUARD = {"ENDPOINTS": ENDPOINTS}
    settings.ALLOWED_HOSTS = ["mcp.example.com"]
    client = testing.add_client()
    testing.list_origin(ORIGIN, client, "notes", "other")
    scope = testing.grant_scope("read", "tools/call:read")
    issued = testing.issue_token(client, "notes", "other", scopes=[scope], kind="any")
    holder.refresh()  # what had to wait for the policy is not kept
    return issued


def lines(token: Any, **changed: bytes | None) -> list[tuple[bytes, bytes]]:
    headers = {
        b"host": b"mcp.example.com",
        b"origin": PAGE,
        b"authorization": f"Bearer {token.text}".encode(),
        b"content-type": b"application/json",
        b"content-length": b"120",
        b"user-agent": b"a browser",
        b"mcp-session-id": b"1",
        b"accept": b"*/*",
    }
    for name, value in changed.items():
        headers[name.replace("_", "-").encode()] = value
    return [(name, value) for name, value in headers.items() if value is not None]


def scope(headers: list[tuple[bytes, bytes]], **changed: Any) -> dict[str, Any]:
    line = {"method": "POST", "path": "/mcp", "raw_path": b"/mcp", "query_string": b"", "scheme": "http"}
    rest = {"type": "http", "client": ("192.0.2.1", 1), "root_path": "", "headers": headers}
    return {**line, **rest, **changed}


def judge(asked: dict[str, Any], endpoint: str = "notes") -> tuple[Any, Any]:
    declared = conf.endpoint(endpoint)
    return settled(declared, gate.judge_scope(declared, asked))


def told(asked: dict[str, Any], endpoint: str = "notes") -> Any:
    """Return the head and decision of a request that is let in, else its answer without an id."""
    declared = conf.endpoint(endpoint)
    judged = gate.judge_scope(declared, asked)
    return _without_id(judged) if isinstance(judged, Reply) else _told(declared, *settled(declared, judged))


def told_afresh(asked: dict[str, Any], endpoint: str = "notes") -> Any:
    return _told(conf.endpoint(endpoint), *afresh(asked, endpoint))


def _told(declared: Any, head: Any, decision: Any) -> Any:
    if isinstance(decision, Admitted):
        return head, decision
    return _without_id(gate.answer(declared, head, decision))


def _without_id(answer: Reply) -> Reply:
    return answer._replace(body=re.sub(rb'"correlation_id": "[0-9a-f]{16}"', b"", answer.body))


def settled(declared: Any, judged: Any) -> tuple[Any, Any]:
    if isinstance(judged, Passage):
        return judged.head, judged.admitted
    return judged.head, gate.settle(declared, *judged)


def kept(asked: dict[str, Any]) -> Any:
    seen = sighting.sight(asked, conf.endpoint("notes"))
    return seen and recall.get(seen[0])


def afresh(asked: dict[str, Any], endpoint: str = "notes") -> tuple[Any, Any]:
    declared = conf.endpoint(endpoint)
    head = wire.from_scope(asked, declared)
    return head, gate.settle(declared, head, gate.judge(declared, head))


CHANGED_LINES = [
    {"method": "GET"},
    {"method": "DELETE"},
    {"method": "PATCH"},
    {"path": "//mcp", "raw_path": b"//mcp"},
    {"path": "/mcp", "raw_path": b"/%6dcp"},
    {"query_string": b"access_token=1"},
    {"query_string": b"a=1"},
    {"root_path": "/elsewhere"},
    {"scheme": "https"},
    {"client": None},
    {"client": ("198.51.100.7", 9)},
    {},
]
CHANGED_HEADERS = [
    {name.decode(): value}
    for name in sorted(READ)
    for value in (
        None,
        b"",
        b"1",
        b"evil",
        b"99999999999999999999999",
        b" 120 ",
        b"application/json; charset=x",
    )
] + [
    {"mcp-param-x": b"1"},
    {"x-second": b"mcpg_x"},
    {"cookie": b"sessionid=abcdefgh12345678"},
    {"host": b"evil.example"},
    {"origin": b"https://evil.example"},
    {"origin": b"null"},
    {"sec-fetch-site": b"cross-site"},
]


@pytest.mark.parametrize("changed", CHANGED_LINES, ids=str)
def test_a_request_with_another_first_line_is_judged_as_if_nothing_was_known(token, changed):
    judge(scope(lines(token)))
    asked = scope(lines(token), **changed)
    assert told(asked) == told_afresh(asked)
    assert told(asked) == told_afresh(asked)


@pytest.mark.parametrize("endpoint", ["notes", "other"])
@pytest.mark.parametrize("changed", CHANGED_HEADERS, ids=str)
def test_a_request_with_another_header_is_judged_as_if_nothing_was_known(token, changed, endpoint):
    judge(scope(lines(token)), endpoint)
    asked = scope(lines(token, **changed))
    assert told(asked, endpoint) == told_afresh(asked, endpoint)
    assert told(asked, endpoint) == told_afresh(asked, endpoint)


@pytest.mark.parametrize("name", sorted(READ))
def test_a_second_header_is_judged_as_if_nothing_was_known(token, name):
    judge(scope(lines(token)))
    once = lines(token)
    asked = scope([*once, (name, dict(once).get(name, b"1"))])
    assert told(asked) == told_afresh(asked)


def test_what_one_endpoint_decided_is_not_recalled_by_another(token):
    asked = scope(lines(token, **{"x-second": b"mcpg_x"}))
    assert isinstance(judge(asked, "notes")[1], Admitted)
    assert judge(asked, "other")[1].reason is Reason.CREDENTIAL_AMBIGUOUS


def test_the_rules_run_once_for_requests_that_are_alike(token, monkeypatch):
    judge(scope(lines(token)))
    monkeypatch.setattr(rules, "decide", lambda *_: pytest.fail("judged again"))
    head, decision = judge(scope(lines(token, **{"content-length": b"7", "mcp-session-id": b"2"})))
    assert isinstance(decision, Admitted)
    assert head.headers[b"content-length"] == b"7"
    assert head.headers[b"mcp-session-id"] == b"2"


def test_a_revoked_token_is_not_recalled(token):
    assert isinstance(judge(scope(lines(token)))[1], Admitted)
    changes.revoke_token(ACTOR, token.token)
    assert judge(scope(lines(token)))[1].reason is Reason.TOKEN_REVOKED


def test_nothing_is_recalled_beyond_the_moment_that_a_decision_names(token, monkeypatch):
    decision = judge(scope(lines(token)))[1]
    monkeypatch.setattr(holder, "now", lambda: decision.until)
    monkeypatch.setattr(holder, "fresh_now", lambda *_: decision.until)
    assert judge(scope(lines(token)))[1].reason is Reason.TOKEN_EXPIRED


def test_nothing_is_recalled_while_the_policy_is_not_known_to_be_new(token, monkeypatch):
    judge(scope(lines(token)))
    monkeypatch.setattr(holder, "_read_at", float("-inf"))
    judged = gate.judge_scope(conf.endpoint("notes"), scope(lines(token)))
    assert isinstance(judged.judged, gate.AwaitsPolicy)


def test_what_report_only_lets_in_is_reported_each_time(token, settings):
    until = (timezone.now() + timedelta(days=1)).isoformat()
    settings.MCP_GUARD = {"ENDPOINTS": {"notes": {"profile": "partner", "report_only": until}}}
    holder.refresh()
    asked = scope(lines(token, origin=b"https://new.example"))
    assert judge(asked)[1].would_refuse is Reason.ORIGIN_NOT_LISTED
    assert kept(asked) is None


def test_each_request_is_counted(token):
    key = ("notes", "request", "admitted")
    before = decisions.all().get(key, 0)
    for _ in range(5):
        judge(scope(lines(token)))
    assert decisions.all()[key] == before + 5


def test_keys_hold_no_credential(token):
    judge(scope(lines(token)))
    assert token.text not in repr(recall.young)
    assert recall.young


@pytest.mark.parametrize("changed", [{"user-agent": b"x" * 5_000}, {"x-forwarded-for": b"x" * 5_000}])
def test_nothing_is_kept_of_a_large_head(token, changed):
    asked = scope(lines(token, **changed))
    assert told(asked) == told_afresh(asked)
    assert kept(asked) is None


def test_nothing_is_kept_of_a_long_path(token):
    path = "/mcp" + "x" * 600
    asked = scope(lines(token), path=path, raw_path=path.encode())
    assert told(asked) == told_afresh(asked)
    assert kept(asked) is None


def test_nothing_is_kept_of_a_long_method(token):
    asked = scope(lines(token, authorization=None), method="X" * 5_000)
    assert told(asked) == told_afresh(asked)
    assert not known_refusals.young


@pytest.mark.parametrize("kind", [list, tuple])
def test_lines_and_heads_may_be_lists(token, kind):
    asked = scope([*map(kind, lines(token))])
    assert [told(asked), told(asked)] == [told_afresh(asked)] * 2
    asked["headers"][0] = [b"host", b"evil.example"]
    assert told(asked) == told_afresh(asked)


def test_a_scope_may_lack_what_is_optional(token):
    asked = scope(lines(token))
    for name in ("query_string", "raw_path", "scheme", "client", "root_path"):
        del asked[name]
    assert [told(asked), told(asked)] == [told_afresh(asked)] * 2


@pytest.mark.parametrize(
    "further",
    [[(b"x" * 5_000, b"1")], [(f"x-{number}".encode(), b"1") for number in range(200)]],
    ids=["long", "many"],
)
def test_nothing_is_kept_of_many_or_long_names(token, further):
    before = dict(sighting._outlines.young)
    asked = scope([*lines(token), *further])
    assert told(asked) == told_afresh(asked)
    assert sighting._outlines.young == before
    assert not recall.young


def test_nothing_is_kept_of_an_environment_with_long_names(token):
    """Outlines of environments hold the names of headers, and what is recalled holds its outline."""
    headers = {"Host": "mcp.example.com", "X" * 5_000: "1"}
    request = RequestFactory().post("/mcp", b"{}", content_type="application/json", headers=headers)
    del request.META["HTTP_COOKIE"]
    assert isinstance(gate.judge_request(conf.endpoint("notes"), request).judged, Refused)
    assert not known_refusals.young


def test_an_application_gets_of_a_recalled_head_what_it_gets_of_another(token):
    more = {"mcp_name": b"alias", "x-mcp-nonce": None, "X-Other": b"1"}
    asked = scope(lines(token, **more))
    asked["headers"][2:2] = [(b"mcp_name", b"other"), (b"x_mcp-nonce", b"other")]
    endpoint = conf.endpoint("notes")
    first, second = (gate.judge_scope(endpoint, asked) for _ in range(2))
    assert (first.pick_kept, second.pick_kept) == (None, second.pick_kept)
    assert second.pick_kept is not None
    assert [inner_scope(asked, endpoint, one)["headers"] for one in (first, second)] == [
        without_credentials(asked["headers"], endpoint)
    ] * 2
    assert b"other" not in dict(without_credentials(asked["headers"], endpoint)).values()
    assert inner_scope(asked, endpoint, second)["mcp_guard"].head.headers.keys() == (
        inner_scope(asked, endpoint, first)["mcp_guard"].head.headers.keys()
    )


CALL = b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "read"}}'


def permitted(issued: Any, endpoint: str = "notes") -> bool:
    """Return whether a request may call the tool."""
    declared = conf.endpoint(endpoint)
    judged = gate.judge_scope(declared, scope(lines(issued)))
    if isinstance(judged, gate.Pending):
        found = gate.settle(declared, *judged)
        judged = Passage(declared.name, judged.head, found) if isinstance(found, Admitted) else judged
    return isinstance(judged, Passage) and not isinstance(
        permit_body(judged, declared, CALL, UNKNOWN), Refused
    )


def test_nobody_else_and_no_later_policy_profits_from_an_operation_that_is_recalled(token):
    client = token.token.client
    other = testing.issue_token(client, "notes", "other", scopes=[], kind="any")
    holder.refresh()
    assert [permitted(token) for _ in range(3)] == [True] * 3
    known = kept(scope(lines(token)))
    assert len(known._passage.permitted) == 1

    assert [permitted(other) for _ in range(3)] == [False] * 3
    changes.set_scope(ACTOR, token.token.scopes.get(), grants=["tools/call:write"])
    assert [permitted(token) for _ in range(3)] == [False] * 3
    changes.set_scope(ACTOR, token.token.scopes.get(), grants=["tools/call:read"])
    assert [permitted(token) for _ in range(3)] == [True] * 3
    changes.revoke_token(ACTOR, token.token)
    assert [permitted(token) for _ in range(3)] == [False] * 3


def test_what_an_application_gets_of_a_head_cannot_be_changed(token):
    passage = gate.judge_scope(conf.endpoint("notes"), scope(lines(token)))
    with pytest.raises(TypeError):
        passage.inward(conf.endpoint("notes")).head.headers[b"host"] = b"other"


def test_a_flood_of_new_heads_keeps_two_generations():
    remembered: Generations[int, str] = Generations(100)
    for number in range(500):
        remembered.put(number, "x")
    assert len(remembered.young) + len(remembered._old) <= 200


def test_what_is_asked_for_again_outlives_a_generation():
    remembered: Generations[int, str] = Generations(100)
    remembered.put(-1, "wanted")
    for number in range(300):
        remembered.put(number, "x")
        assert remembered.get(-1) == "wanted"


class Recording(dict):
    """Notes which names are looked up."""

    asked: set[bytes]

    def get(self, name, default=None):
        self.asked.add(name)
        return super().get(name, default)

    def __getitem__(self, name):
        self.asked.add(name)
        return super().__getitem__(name)

    def __contains__(self, name):
        self.asked.add(name)
        return super().__contains__(name)


@pytest.mark.parametrize("method", ["POST", "GET", "OPTIONS"])
def test_the_rules_read_nothing_that_a_signature_lacks(token, method):
    endpoint = conf.endpoint("notes")
    head = wire.from_scope(scope(lines(token), method=method), endpoint)
    headers = Recording(head.headers)
    headers.asked = set()
    head = head._replace(headers=headers)
    credential = gate._look_up(present(head, endpoint), holder.snapshot)
    rules.decide(RequestFacts("notes", head, credential, holder.now(), 0.0), holder.snapshot)
    assert headers.asked
    assert headers.asked <= READ
    assert not headers.asked & {*sighting.VARYING} - {b"content-length"}


def test_requests_without_a_scope_are_recalled_by_what_wsgi_says_of_them(token, monkeypatch):
    endpoint, factory = conf.endpoint("notes"), RequestFactory()

    def asked(**more: Any) -> Any:
        headers = {"Host": "mcp.example.com", "Origin": ORIGIN, **testing.bearer(token), **more}
        request = factory.post("/mcp", b"{}", content_type="application/json", headers=headers)
        del request.META["HTTP_COOKIE"]  # the factory alone sends an empty one
        return request

    assert isinstance(settled(endpoint, gate.judge_request(endpoint, asked()))[1], Admitted)
    assert isinstance(gate.judge_request(endpoint, asked()), Passage)
    for more in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}, {"Authorization": "Bearer x"}):
        assert isinstance(gate.judge_request(endpoint, asked(**more)).judged, Refused)
    large = asked(**{"User-Agent": "x" * 5_000})
    assert isinstance(gate.judge_request(endpoint, large), Passage)
    assert recall.get(sighting.sight_request(large, endpoint)[0]) is None
    monkeypatch.setattr(rules, "decide", lambda *_: pytest.fail("judged again"))
    assert isinstance(gate.judge_request(endpoint, asked()), Passage)


def test_nothing_that_is_known_of_refusals_holds_a_credential(token):
    gate.judge_scope(conf.endpoint("notes"), scope(lines(token, origin=b"https://evil.example")))
    [known] = known_refusals.young.values()
    assert known._likeness.head.headers.keys() == {b"host", b"origin"}
