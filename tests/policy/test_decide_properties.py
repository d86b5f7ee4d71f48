"""What holds for every head, credential and policy, not only for those somebody thought of."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_guard.policy import reply
from mcp_guard.policy.allowlist import Listing
from mcp_guard.policy.credential import IssuedToken
from mcp_guard.policy.decide import decide
from mcp_guard.policy.decision import (
    EACH_TIME,
    FOR_GOOD,
    Admitted,
    AwaitsMessage,
    AwaitsSession,
    AwaitsTicket,
    PreflightGranted,
    Reason,
    Refused,
)
from mcp_guard.policy.facts import Exchange, RequestFacts
from mcp_guard.policy.scopes import NO_GRANTS
from mcp_guard.policy.snapshot import EndpointPolicy, Snapshot
from tests.policy.core import NOW, SNAPSHOT, TOKEN_FOR_EVERYWHERE
from tests.policy.strategies import facts, heads

quickly = settings(max_examples=120, deadline=None)

ORIGINS = sorted({origin for policy in SNAPSHOT.endpoints.values() for origin in policy.allowlist})
BEFORE_CREDENTIALS = {
    Reason.HEAD_MALFORMED,
    Reason.HOST_NOT_ALLOWED,
    Reason.TLS_REQUIRED,
    Reason.ORIGIN_MALFORMED,
    Reason.ORIGIN_NULL,
    Reason.ORIGIN_NOT_LISTED,
    Reason.ORIGIN_NOT_EXPECTED,
    Reason.FETCH_SITE_FOREIGN,
    Reason.POLICY_TOO_OLD,
    Reason.GUARD_MISSING,
}


def change(name: str, **values: object) -> Snapshot:
    """Return the policy with fields of one endpoint's policy changed."""
    endpoints = {**SNAPSHOT.endpoints, name: replace(SNAPSHOT.endpoints[name], **values)}
    return replace(SNAPSHOT, endpoints=endpoints)


def policy_of(of: RequestFacts) -> EndpointPolicy | None:
    return SNAPSHOT.endpoints.get(of.endpoint)


@quickly
@given(facts())
def test_every_exchange_comes_to_a_decision_with_an_answer(given_: RequestFacts):
    decision = decide(given_, SNAPSHOT)

    assert isinstance(
        decision, Admitted | PreflightGranted | Refused | AwaitsSession | AwaitsTicket | AwaitsMessage
    )
    if isinstance(decision, Refused):
        policy = policy_of(given_)
        answer = reply.refusal(decision, policy and policy.endpoint, "id")
        assert answer.status in (400, 401, 403, 405, 413, 415, 421, 503)
        assert 4400 <= reply.close_code(decision.reason) < 4600


@quickly
@given(facts())
def test_no_present_but_unlisted_origin_is_let_in(given_: RequestFacts):
    policy = policy_of(given_)
    origin = given_.head.headers.get(b"origin")
    if policy is None or origin is None or policy.endpoint.opens_to_all_origins:
        return
    listing = policy.allowlist.get(origin)
    is_listed = listing is not None and (not listing.expires_at or given_.now < listing.expires_at)
    decision = decide(given_, SNAPSHOT)

    if not is_listed and not isinstance(decision, Refused):
        assert given_.now < policy.report_only_until <= given_.now + 14 * 86400
        assert not isinstance(decision, AwaitsSession)
        assert not isinstance(decision, Admitted) or decision.would_refuse is Reason.ORIGIN_NOT_LISTED


@quickly
@given(heads(), st.sampled_from([*SNAPSHOT.endpoints]))
def test_a_preflight_says_no_where_the_request_would_for_its_head(head, endpoint: str):
    request = head._replace(exchange=Exchange.REQUEST, method="POST")
    asked = decide(
        RequestFacts(endpoint, head._replace(exchange=Exchange.PREFLIGHT), TOKEN_FOR_EVERYWHERE, NOW, 0),
        SNAPSHOT,
    )
    sent = decide(RequestFacts(endpoint, request, TOKEN_FOR_EVERYWHERE, NOW, 0), SNAPSHOT)

    if isinstance(asked, Refused):
        assert isinstance(sent, Refused)
        assert sent.reason is asked.reason
    else:
        assert not (isinstance(sent, Refused) and sent.reason in BEFORE_CREDENTIALS)


@quickly
@given(facts(), st.sampled_from(["revoked", "expired", "client", "user", "endpoints", "grants"]))
def test_taking_from_a_token_lets_nobody_in(given_: RequestFacts, what: str):
    if not isinstance(given_.credential, IssuedToken):
        return
    less = {
        "revoked": {"revoked": True},
        "expired": {"expires_at": 1.0},
        "client": {"client_active": False},
        "user": {"user_active": False},
        "endpoints": {"endpoints": frozenset()},
        "grants": {"grants": NO_GRANTS},
    }[what]
    record = given_.credential.record._replace(**less)
    before = decide(given_, SNAPSHOT)
    after = decide(given_._replace(credential=IssuedToken(record)), SNAPSHOT)

    if isinstance(before, Refused):
        assert isinstance(after, Refused)
    if what in ("revoked", "expired", "client", "endpoints") and isinstance(after, Admitted):
        assert after.principal.token_id is None


@quickly
@given(facts(), st.sampled_from(ORIGINS))
def test_unlisting_an_origin_lets_nobody_in(given_: RequestFacts, origin: bytes):
    policy = policy_of(given_)
    if policy is None:
        return
    less = {listed: listing for listed, listing in policy.allowlist.items() if listed != origin}
    before = decide(given_, SNAPSHOT)
    after = decide(given_, change(given_.endpoint, allowlist=less))

    if isinstance(before, Refused):
        assert isinstance(after, Refused)


@quickly
@given(given_=facts(), cookies=st.booleans(), client=st.sampled_from([1, 2, 3]))
def test_listing_an_origin_refuses_nobody(given_: RequestFacts, cookies, client):
    policy = policy_of(given_)
    origin = given_.head.headers.get(b"origin", b"https://new.example")
    if policy is None or origin in policy.allowlist:
        return
    listing = Listing(client, "new", NO_GRANTS, cookies, 0.0)
    before = decide(given_, SNAPSHOT)
    after = decide(given_, change(given_.endpoint, allowlist={**policy.allowlist, origin: listing}))

    if not isinstance(before, Refused):
        assert not isinstance(after, Refused)


@quickly
@given(facts())
def test_switching_report_only_off_lets_nobody_in(given_: RequestFacts):
    if policy_of(given_) is None:
        return
    before = decide(given_, SNAPSHOT)
    after = decide(given_, change(given_.endpoint, report_only_until=0.0))

    if isinstance(before, Refused):
        assert isinstance(after, Refused)


@quickly
@given(facts(), st.floats(0, 1))
def test_a_decision_stays_the_same_until_its_deadline(given_: RequestFacts, part: float):
    decision = decide(given_, SNAPSHOT)
    if not isinstance(decision, Admitted | PreflightGranted | Refused) or decision.until == EACH_TIME:
        return
    end = given_.now + 1e9 if decision.until == FOR_GOOD else decision.until
    later = given_.now + part * (end - given_.now - 1)
    if later < given_.now:
        return

    assert decide(given_._replace(now=later), SNAPSHOT) == decision


@quickly
@given(facts())
def test_age_alone_refuses(given_: RequestFacts):
    decision = decide(given_._replace(age=10.001), SNAPSHOT)

    assert decision == Refused(Reason.POLICY_TOO_OLD)
