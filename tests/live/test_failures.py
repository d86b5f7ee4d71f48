"""Failed authentications: a 401 becomes a 429 past the bound, and nobody else is concerned."""

from __future__ import annotations

import pytest
from django.test import override_settings

from mcp_guard.live import failures as module
from mcp_guard.live.failures import FAILURES, failures
from mcp_guard.policy.credential import MALFORMED_CREDENTIAL, PresentedToken
from mcp_guard.policy.decision import CorsGrant, Reason, Refused
from mcp_guard.policy.endpoint import Endpoint, HostRules, Profile
from mcp_guard.policy.facts import Exchange, RequestHead
from mcp_guard.policy.proxies import network_of

ENDPOINT = Endpoint("notes", Profile.TOKEN, HostRules())
CORS = CorsGrant(b"https://acme.example", False)
UNKNOWN = Refused(Reason.TOKEN_UNKNOWN, CORS)


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    with override_settings(MCP_GUARD={"FAILURES_PER_ADDRESS": 6, "FAILURES_PER_TOKEN": 3}):
        yield now


def head(peer="1.2.3.4"):
    return RequestHead(Exchange.REQUEST, "POST", "/", b"", "http", peer, "", {}, None)


def token(number):
    return PresentedToken(bytes([number]) * 32, well_formed=True)


def fail(presented, peer="1.2.3.4", refused=UNKNOWN):
    return failures.limit(refused, ENDPOINT, head(peer), presented)


def test_a_token_that_goes_on_failing_is_told_to_wait(clock):
    found = [fail(token(1), f"10.0.0.{number}") for number in range(4)]

    assert found[:3] == [UNKNOWN] * 3
    assert found[3] == Refused(Reason.FAILURES_TOO_MANY, CORS, retry_after=20)


def test_an_address_that_goes_on_failing_is_told_to_wait(clock):
    found = [fail(token(number)) for number in range(7)]

    assert found[:6] == [UNKNOWN] * 6
    assert (found[6].reason, found[6].retry_after) == (Reason.FAILURES_TOO_MANY, 10)
    assert fail(token(9), "1.2.3.5") == UNKNOWN


def test_who_waited_is_told_the_truth_again(clock):
    waits = [fail(token(1)).retry_after for _ in range(4)]
    clock[0] += waits[-1]

    assert fail(token(1)) == UNKNOWN


def test_what_is_no_token_counts_for_its_address(clock):
    found = [fail(MALFORMED_CREDENTIAL).reason for _ in range(7)]

    assert found == [Reason.TOKEN_UNKNOWN] * 6 + [Reason.FAILURES_TOO_MANY]


def test_all_failures_of_a_token_are_limited_alike():
    assert Reason.TOKEN_REVOKED in FAILURES
    assert Reason.TOKEN_UNKNOWN in FAILURES
    assert Reason.CREDENTIAL_MISSING not in FAILURES


@pytest.mark.parametrize("reason", sorted(set(Reason) - FAILURES, key=lambda reason: reason.value))
def test_nothing_else_is_counted(clock, reason):
    refused = Refused(reason, CORS)

    assert [fail(token(1), refused=refused) for _ in range(10)] == [refused] * 10


def test_an_address_that_nobody_knows_is_not_counted(clock):
    assert [fail(token(number), "") for number in range(10)] == [UNKNOWN] * 10


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::"),
        ("::1", "::"),
        ("unix:", ""),
        ("", ""),
    ],
)
def test_an_ipv6_party_has_a_64(address, network):
    assert network_of(address) == network
