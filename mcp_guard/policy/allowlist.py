"""The allowlist of an endpoint: which origins are listed, byte for byte."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from mcp_guard.policy.scopes import Grants


class Listing(NamedTuple):
    """One listed origin: whose it is, and what a session from its pages may do.

    ``expires_at`` is in seconds since the epoch; 0 says never.
    """

    client_id: int
    client: str
    grants: Grants
    cookies: bool
    expires_at: float


Allowlist = Mapping[bytes, Listing]
"""Listings by the serialized origin that a browser sends; empty lets no page in."""


def listed(allowlist: Allowlist, origin: bytes, now: float) -> Listing | None:
    """Return the listing of exactly this origin, None when it is absent or has expired."""
    listing = allowlist.get(origin)
    if listing is None or (listing.expires_at and now >= listing.expires_at):
        return None
    return listing
