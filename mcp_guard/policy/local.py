"""The rules of the profile ``local``: whoever is not on this machine, or was led here by a name, is refused.

A name can be made to lead to the loopback address, so Host has to be one of this machine's, with the port.
"""

from __future__ import annotations

import ipaddress

from mcp_guard.policy.decision import Reason
from mcp_guard.policy.endpoint import Endpoint
from mcp_guard.policy.facts import UNIX_SOCKET, RequestHead


def refusal(head: RequestHead, endpoint: Endpoint) -> Reason | None:
    """Return why a head is refused that has a Host, None when nothing speaks against it."""
    if not _is_of_this_machine(head):
        return Reason.PEER_NOT_LOCAL
    host, hosts = head.headers[b"host"], endpoint.hosts
    is_ours = hosts.accept(host) if head.port == UNIX_SOCKET else hosts.accept_with_port(host, head.port)
    return None if is_ours else Reason.HOST_NOT_ALLOWED


def is_loopback(address: str) -> bool:
    """Return whether this is an address of the loopback interface: 127.0.0.0/8, ::1, or the first in IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped.is_loopback
    return parsed.is_loopback


def _is_of_this_machine(head: RequestHead) -> bool:
    """Whether the peer is on this machine, and does not say that it asks for somebody who is not."""
    if not is_loopback(head.peer) and not (head.port == UNIX_SOCKET and not head.peer):
        return False
    forwarded = head.headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")
    return all(is_loopback(address.strip(" \t")) for address in forwarded if address)
