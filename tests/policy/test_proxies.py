"""Whose address a request has: the nearest that no trusted proxy has, in every form that proxies write."""

from __future__ import annotations

import ipaddress

import pytest

from mcp_guard.policy.endpoint import Endpoint, HostRules, Profile
from mcp_guard.policy.facts import Exchange, RequestHead
from mcp_guard.policy.proxies import client_address

PROXIES = (ipaddress.ip_network("10.0.0.0/8"),)


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("192.0.2.1", b"203.0.113.7", "192.0.2.1"),
        ("10.0.0.1", b"203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", b"198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", b"203.0.113.7, 10.0.0.2", "203.0.113.7"),
        ("10.0.0.1", b"203.0.113.7:51234", "203.0.113.7"),
        ("10.0.0.1", b"203.0.113.7:51234, 10.0.0.2:443", "203.0.113.7"),
        ("10.0.0.1", b"2001:db8::7", "2001:db8::7"),
        ("10.0.0.1", b"[2001:db8::7]:51234", "2001:db8::7"),
        ("10.0.0.1", b"[2001:db8::7]", "2001:db8::7"),
        ("10.0.0.1", b"unknown", "10.0.0.1"),
        ("10.0.0.1", b"203.0.113.7:x", "10.0.0.1"),
        ("10.0.0.1", b"", "10.0.0.1"),
    ],
)
def test_the_nearest_address_that_no_proxy_has(peer, forwarded, expected):
    endpoint = Endpoint("notes", Profile.TOKEN, HostRules(), trusted_proxies=PROXIES)
    headers = {b"x-forwarded-for": forwarded}
    head = RequestHead(Exchange.REQUEST, "POST", "/mcp", b"", "http", peer, "", headers, None)
    assert client_address(head, endpoint) == expected
