"""What a trusted proxy says about the connection; from anybody else it says nothing."""

from __future__ import annotations

import ipaddress

from mcp_guard.policy.endpoint import Endpoint, Network
from mcp_guard.policy.facts import RequestHead


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
    forwarded = head.headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")
    while is_trusted(address, endpoint.trusted_proxies) and forwarded:
        address = forwarded.pop().strip() or address
    return address if _parsed(address) is not None else head.peer


def is_trusted(address: str, proxies: tuple[Network, ...]) -> bool:
    """Return whether the address belongs to one of the networks."""
    if not proxies:
        return False
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in proxies)


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None
