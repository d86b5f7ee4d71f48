"""What the Origin of a request opens: whose page it is, and what that page may read.

Sources: RFC 6454 section 7, https://fetch.spec.whatwg.org/#origin-header,
https://w3c.github.io/webappsec-fetch-metadata/#sec-fetch-site-header.
"""

from __future__ import annotations

from typing import Final, NamedTuple, assert_never

from mcp_guard.policy.allowlist import Listing, listed
from mcp_guard.policy.decision import FOR_GOOD, CorsGrant, Reason, Refused
from mcp_guard.policy.endpoint import Endpoint, MissingOrigin, Profile
from mcp_guard.policy.facts import RequestHead
from mcp_guard.policy.origin import OriginShape, classify
from mcp_guard.policy.snapshot import EndpointPolicy

REPORT_ONLY_SECONDS: Final = 14 * 86400
"""Longest time for which an allowlist is only reported, in seconds."""

_OWN_SITE = (b"same-origin", b"none")


class Opening(NamedTuple):
    """What the Origin of a request opens: whose it is, and what its page may read.

    ``until`` is when that may end, in seconds since the epoch, or FOR_GOOD.
    """

    listing: Listing | None = None
    cors: CorsGrant | None = None
    would_refuse: Reason | None = None
    until: float = FOR_GOOD


NO_ORIGIN = Opening()
ANY_ORIGIN = Opening(cors=CorsGrant(b"*", credentials=False))


def open_origin(head: RequestHead, policy: EndpointPolicy, now: float) -> Opening | Refused:
    """Return what the Origin opens on an endpoint, or that it opens nothing; ``now`` is epoch seconds."""
    origin = head.headers.get(b"origin")
    if origin is None:
        return _open_without_origin(head, policy.endpoint)
    endpoint = policy.endpoint
    if endpoint.profile is Profile.BACKEND:
        return _refused(Reason.ORIGIN_NOT_EXPECTED)
    listing = listed(policy.allowlist, origin, now)
    if listing is not None and not endpoint.opens_to_all_origins:
        return Opening(listing, _cors(origin, endpoint, cookies=listing.cookies), None, listing.expires_at)
    match classify(origin):
        case OriginShape.NULL:
            return _refused(Reason.ORIGIN_NULL)
        case OriginShape.MALFORMED:
            return _refused(Reason.ORIGIN_MALFORMED)
        case OriginShape.SERIALIZED:
            return _open_unlisted(origin, policy, listing, now)
        case shape:
            assert_never(shape)


def _open_unlisted(
    origin: bytes, policy: EndpointPolicy, listing: Listing | None, now: float
) -> Opening | Refused:
    if policy.endpoint.opens_to_all_origins:
        if listing is None:
            return ANY_ORIGIN
        return ANY_ORIGIN._replace(listing=listing, until=listing.expires_at)
    until = policy.report_only_until
    if now >= until:
        return _refused(Reason.ORIGIN_NOT_LISTED)
    since = until - REPORT_ONLY_SECONDS
    if now < since:
        return _refused(Reason.ORIGIN_NOT_LISTED, since)
    cors = _cors(origin, policy.endpoint, cookies=False)
    return Opening(None, cors, Reason.ORIGIN_NOT_LISTED, until)


def _open_without_origin(head: RequestHead, endpoint: Endpoint) -> Opening | Refused:
    site = head.headers.get(b"sec-fetch-site")
    if site is not None and site not in _OWN_SITE:
        return _refused(Reason.FETCH_SITE_FOREIGN)
    if endpoint.profile is Profile.PUBLIC:
        return NO_ORIGIN
    rule = endpoint.missing_origin_ws if head.exchange.is_websocket else endpoint.missing_origin_http
    return _refused(Reason.ORIGIN_MISSING) if rule is MissingOrigin.REFUSE else NO_ORIGIN


def _refused(reason: Reason, until: float = FOR_GOOD) -> Refused:
    """Return a refusal that time does not change, or not before that moment."""
    return Refused(reason, until=until)


def _cors(origin: bytes, endpoint: Endpoint, *, cookies: bool) -> CorsGrant | None:
    if endpoint.profile is Profile.SAME_ORIGIN:
        return None
    credentials = cookies and endpoint.profile is Profile.PARTNER and not endpoint.forward_authorization
    return CorsGrant(origin, credentials)
