"""What a trusted proxy says about the connection; from anybody else it says nothing."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Final

from mcp_guard.policy.endpoint import Endpoint, Network
from mcp_guard.policy.facts import RequestHead

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

REMEMBERED_LENGTH: Final = 64
"""Longest text, in characters, that is remembered with the address that it is: IPv6 has 45, and a zone."""

REMEMBERED: Final = 2048
"""How many of them are; a stranger cannot make it more."""


def is_tls(head: RequestHead, endpoint: Endpoint) -> bool:
    """Return whether the client speaks TLS: by the server's word, or a trusted proxy's.

    A scheme the server does not name counts as plain.
    """
    if head.scheme in ("https", "wss"):
        return True
    if not is_trusted(head.peer, endpoint.trusted_proxies):
        return False
    nearest = head.headers.get(b"x-forwarded-proto", b"").rpartition(b",")[2].strip(b" \t")
    return nearest in (b"https", b"wss")


def client_address(head: RequestHead, endpoint: Endpoint) -> str:
    """Return the address of the client: the peer, or the nearest address that no trusted proxy has.

    Addresses further left in X-Forwarded-For are whatever the client wrote, hence never believed.
    """
    address = head.peer
    if not is_trusted(address, endpoint.trusted_proxies):
        return address
    forwarded = head.headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")
    while is_trusted(address, endpoint.trusted_proxies) and forwarded:
        address = _without_port(forwarded.pop().strip()) or address
    return address if _parsed(address) is not None else head.peer


def _without_port(entry: str) -> str:
    """Return the address of an entry; some proxies append the port, and put IPv6 into brackets then."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    address, colon, port = entry.rpartition(":")
    return address if colon and port.isdigit() and ":" not in address else entry


def network_of(address: str) -> str:
    """Return what one party has of addresses: one of IPv4, a /64 of IPv6; empty when it is no address."""
    find = _network if len(address) <= REMEMBERED_LENGTH else _network.__wrapped__
    return find(address)


@lru_cache(maxsize=REMEMBERED)
def _network(address: str) -> str:
    parsed = _parsed(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        parsed = parsed.ipv4_mapped or ipaddress.IPv6Address(int(parsed) >> 64 << 64)
    return "" if parsed is None else str(parsed)


def is_trusted(address: str, proxies: tuple[Network, ...]) -> bool:
    """Return whether the address belongs to one of the networks."""
    if not proxies:
        return False
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in proxies)


def _parsed(address: str) -> Address | None:
    parse = _parse if len(address) <= REMEMBERED_LENGTH else _parse.__wrapped__
    return parse(address)


@lru_cache(maxsize=REMEMBERED)
def _parse(address: str) -> Address | None:
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None
