"""What is known of refusals and preflights is what judging would say now, and each of them is noted."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import RequestFactory

from mcp_guard import blanks, changes, conf, gate, testing
from mcp_guard.asgi.exchange import send_reply
from mcp_guard.audit import sums
from mcp_guard.audit.counts import decisions
from mcp_guard.audit.inbox import inbox
from mcp_guard.known_answers import REFUSALS, KnownAnswer, known_refusals
from mcp_guard.live.failures import FAILURES
from mcp_guard.live.holder import holder
from mcp_guard.models import AllowedOrigin, Client
from mcp_guard.passage import Passage
from mcp_guard.policy import decide as rules
from mcp_guard.policy import reply
from mcp_guard.policy.decision import EACH_TIME, CorsGrant, Fault, PreflightGranted, Reason, Refused
from mcp_guard.policy.opening import REPORT_ONLY_SECONDS
from mcp_guard.policy.reply import Reply
from mcp_guard.policy.scopes import Operation
from mcp_guard.recall import GENERATION, recall
from mcp_guard.testing import ACTOR
from tests import table
from tests.live import heads
from tests.policy import core

LISTED = "https://app.example.com"
FOREIGN = "https://evil.example"


@pytest.fixture
def client(policy: None) -> Client:
    client = testing.add_client()
    testing.list_origin(LISTED, client, "notes", "tools")
    holder.refresh()
    return client


@pytest.fixture
def never_judged(monkeypatch):
    """Return a function after which no rule may run any more."""
    return lambda: monkeypatch.setattr(rules, "decide", lambda *_: pytest.fail("judged again"))


def ask(name: str = "notes", method: str = "POST", **headers: str) -> Passage | Reply:
    """Return what becomes of a request, as a door has it."""
    endpoint, scope = conf.endpoint(name), {**heads.http_scope(**headers), "method": method}
    judged = gate.judge_scope(endpoint, scope)
    if not isinstance(judged, gate.Pending):
        return judged
    settled = gate.settle(endpoint, *judged)
    assert isinstance(settled, Refused | PreflightGranted)
    return gate.answer(endpoint, judged.head, settled)


def preflight(**headers: str) -> Passage | Reply:
    return ask(method="OPTIONS", access_control_request_method="POST", **headers)


def status_of(answer: Passage | Reply) -> int:
    assert isinstance(answer, Reply)
    return answer.status


def id_of(answer: Passage | Reply) -> str:
    assert isinstance(answer, Reply)
    said: str = json.loads(answer.body)["error"]["data"]["correlation_id"]
    return said


def without_id(answer: Passage | Reply) -> Reply:
    assert isinstance(answer, Reply)
    return answer._replace(body=answer.body.replace(id_of(answer).encode(), b""))


REFUSED: list[dict[str, Any]] = [
    {"origin": FOREIGN},
    {"origin": "null"},
    {"origin": "not an origin"},
    {"host": "evil.example"},
    {"origin": LISTED},
    {"sec_fetch_site": "cross-site"},
    {"name": "hooks", "origin": LISTED},
    {"origin": FOREIGN, "method": "OPTIONS", "access_control_request_method": "POST"},
]


@pytest.mark.parametrize("asked", REFUSED, ids=str)
def test_a_refusal_is_judged_once_and_answered_and_noted_each_time(client, never_judged, asked):
    first = ask(**asked, user_agent="one")
    never_judged()
    others = [ask(**asked, user_agent=agent) for agent in ("one", "two")]

    assert [without_id(other) for other in others] == [without_id(first)] * 2
    [group] = inbox.take().values()
    assert group.count == 3
    seen = [(glimpse.correlation_id, glimpse.user_agent) for glimpse in group.latest]
    assert seen == [(id_of(first), "one"), (id_of(others[0]), "one"), (id_of(others[1]), "two")]
    assert len({glimpse.address for glimpse in group.latest}) == 1
    assert len({identity for identity, _ in seen}) == 3


def test_a_handshake_is_refused_and_noted_each_time(client, never_judged):
    endpoint = conf.endpoint("notes")

    def asked() -> Any:
        return gate.judge_scope(endpoint, heads.socket_scope(origin=FOREIGN))

    first = asked()
    assert isinstance(first, gate.Pending)
    assert isinstance(first.judged, Refused)
    never_judged()

    assert [status_of(asked()) for _ in range(2)] == [reply.close_code(first.judged.reason)] * 2
    [group] = inbox.take().values()
    assert group.count == 2
    assert len({glimpse.correlation_id for glimpse in group.latest}) == 2


def test_a_known_refusal_is_counted_as_any_other(client):
    key, before = ("notes", "request", "origin_not_listed"), decisions.all()
    for _ in range(5):
        ask(origin=FOREIGN)

    assert decisions.all()[key] == before.get(key, 0) + 5
    summed = {key.outcome: count for key, count in sums.sums._counts.items()}
    assert summed == {"origin_not_listed": 5}


def test_a_known_refusal_tells_whose_origin_it_came_from(client):
    for _ in range(2):
        ask(origin=LISTED)

    [(key, group)] = inbox.take().items()
    assert (key.reason, key.client, group.count) == ("credential_missing", client.name, 2)


def test_a_preflight_is_judged_once_and_counted_each_time(client, never_judged):
    key, before = ("notes", "preflight", "preflight"), decisions.all()
    first = preflight(origin=LISTED, user_agent="one")
    never_judged()
    second = preflight(origin=LISTED, user_agent="another")

    assert status_of(first) == 204
    assert second == first
    assert decisions.all()[key] == before.get(key, 0) + 2
    assert not inbox.take()


@pytest.mark.parametrize(("asking", "origin"), [(preflight, LISTED), (ask, FOREIGN)])
def test_what_is_between_here_and_the_server_changes_nothing_that_is_known(client, asking, origin):
    async def add_a_header(event: Any) -> None:
        event.get("headers", []).append((b"x-outer", b"1"))

    first = asking(origin=origin)
    for _ in range(2):
        answer = asking(origin=origin)
        async_to_sync(send_reply)(add_a_header, answer)

    assert asking(origin=origin).headers == first.headers
    assert (b"x-outer", b"1") not in first.headers


def test_an_origin_that_is_listed_is_no_longer_refused(client):
    issued = testing.issue_token(client, "notes", kind="any")
    holder.refresh()  # what had to wait for the policy is not kept
    credentials = testing.bearer(issued)
    assert [status_of(ask(origin=FOREIGN, **credentials)) for _ in range(2)] == [403, 403]

    testing.list_origin(FOREIGN, client, "notes")

    assert isinstance(_admitted(FOREIGN, credentials), Passage)


def _admitted(origin: str, credentials: dict[str, str]) -> Any:
    endpoint = conf.endpoint("notes")
    judged = gate.judge_scope(endpoint, heads.http_scope(origin=origin, **credentials))
    if isinstance(judged, gate.Pending):
        settled = gate.settle(endpoint, *judged)
        return settled if isinstance(settled, Refused) else Passage("notes", judged.head, settled)
    return judged


def test_an_origin_that_is_taken_off_the_list_has_no_more_preflights(client):
    assert [status_of(preflight(origin=LISTED)) for _ in range(2)] == [204, 204]

    changes.unlist_origin(ACTOR, AllowedOrigin.objects.get(origin=LISTED))

    assert status_of(preflight(origin=LISTED)) == 403


def test_a_refusal_lasts_until_report_only_begins(client, monkeypatch):
    begin, policy = holder.now() + 3600, holder.snapshot
    later = replace(policy.endpoints["notes"], report_only_until=begin + REPORT_ONLY_SECONDS)
    monkeypatch.setattr(holder, "_snapshot", replace(policy, endpoints={**policy.endpoints, "notes": later}))
    assert [status_of(preflight(origin=FOREIGN)) for _ in range(2)] == [403, 403]

    for name in ("now", "fresh_now"):
        monkeypatch.setattr(holder, name, lambda *_: begin + 1)
    assert status_of(preflight(origin=FOREIGN)) == 204


def test_failed_authentications_are_never_known(client, settings):
    settings.MCP_GUARD = {"ENDPOINTS": {"tools": {"profile": "token"}}, "FAILURES_PER_ADDRESS": 3}
    holder.refresh()
    bad = {"authorization": "Bearer mcpg_nonsense"}

    assert [status_of(ask("tools", **bad)) for _ in range(5)] == [401, 401, 401, 429, 429]
    assert not len(known_refusals)


def test_no_rule_says_that_a_failed_authentication_lasts():
    lasting = {
        decision.reason
        for row in table.REQUESTS.values()
        if isinstance(decision := core.play(row), Refused) and decision.until != EACH_TIME
    }
    assert Reason.ORIGIN_NOT_LISTED in lasting
    assert not lasting & (FAILURES | sums.FAILURES)


def test_nothing_is_answered_while_the_policy_is_not_known_to_be_new(client, monkeypatch):
    ask(origin=FOREIGN)
    monkeypatch.setattr(holder, "fresh_now", lambda *_: None)
    monkeypatch.setattr(type(holder), "age", property(lambda _: float("inf")))

    judged = gate.judge_scope(conf.endpoint("notes"), heads.http_scope(origin=FOREIGN))

    assert isinstance(judged, gate.Pending)
    assert isinstance(judged.judged, gate.AwaitsPolicy)


def test_other_settings_of_an_endpoint_are_asked_anew(client, settings):
    assert [status_of(ask(host="other.example")) for _ in range(2)] == [421, 421]

    settings.ALLOWED_HOSTS = ["other.example"]
    holder.refresh()

    assert status_of(ask(host="other.example")) == 401


def test_a_flood_of_refusals_is_bounded_and_pushes_out_nothing_else(client):
    issued = testing.issue_token(client, "notes", kind="any")
    holder.refresh()  # what had to wait for the policy is not kept
    _admitted(LISTED, testing.bearer(issued))
    preflight(origin=LISTED)
    ask(origin=LISTED)
    others = len(recall)
    for number in range(2 * GENERATION):
        ask(origin=f"https://{number}.example")
        ask(origin=LISTED)

    assert len(recall) == others == 2
    assert REFUSALS < len(known_refusals) <= 2 * REFUSALS


def test_keys_hold_no_credential(client):
    issued = testing.issue_token(client, "notes", kind="any")
    holder.refresh()  # what had to wait for the policy is not kept
    ask(origin=FOREIGN, **testing.bearer(issued))

    assert len(known_refusals) == 1
    assert issued.text not in repr(vars(known_refusals))


def test_a_request_without_a_scope_is_known_by_what_wsgi_says_of_it(client, never_judged):
    def asked(agent: str) -> Any:
        headers = {"Host": heads.HOST, "Origin": FOREIGN, "User-Agent": agent}
        request = RequestFactory().post("/mcp", b"{}", content_type="application/json", headers=headers)
        del request.META["HTTP_COOKIE"]  # the factory alone sends an empty one
        return gate.judge_request(conf.endpoint("notes"), request)

    first = asked("one")
    assert isinstance(first, gate.Pending)
    gate.answer(conf.endpoint("notes"), *first)
    never_judged()

    assert status_of(asked("two")) == 403
    [group] = inbox.take().values()
    assert [glimpse.user_agent for glimpse in group.latest] == ["one", "two"]


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("cors", [None, CorsGrant(b"https://app.example.com", credentials=True)])
def test_an_answer_that_is_kept_ready_is_the_one_that_would_be_made(reason, cors):
    endpoint = conf.endpoint("notes")
    refused, identity = Refused(reason, cors, retry_after=7), "0123456789abcdef"

    assert blanks.refusal(refused, endpoint, identity) == reply.refusal(refused, endpoint, identity)


def test_an_answer_that_quotes_a_message_is_made_each_time():
    endpoint, identity = conf.endpoint("notes"), "0123456789abcdef"
    operation = Operation("tools/call", "read")
    for refused in (
        Refused(Reason.SCOPE_INSUFFICIENT, operation=operation),
        Refused(Reason.MESSAGE_MALFORMED, request_id="-" * 16),
        Refused(Reason.MESSAGE_MALFORMED, fault=Fault(-32700, "-" * 16)),
    ):
        assert blanks.refusal(refused, endpoint, identity) == reply.refusal(refused, endpoint, identity)


def test_a_kind_of_answer_that_is_not_known_says_so():
    with pytest.raises(NotImplementedError):
        KnownAnswer(conf.endpoint("notes"), holder.snapshot, 0.0).answer(None)  # type: ignore[arg-type]
