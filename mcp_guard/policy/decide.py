"""The rules in their order. Pure and total: every input gives a decision, none raises.

Age, head, Host, TLS, Origin, preflight, credential, method, content. The same function serves every
door, so a preflight cannot say yes where the request says no, nor a page get in over a WebSocket that
may not over HTTP. The table of cases in ``tests/table.py`` is its specification.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple, assert_never

from mcp_guard.policy import content
from mcp_guard.policy.allowlist import Listing, listed
from mcp_guard.policy.credential import (
    AmbiguousCredential,
    DeadSession,
    IssuedToken,
    LiveSession,
    MalformedCredential,
    MistypedToken,
    NoCredential,
    QueryCredential,
    TokenKind,
    TokenRecord,
    UnknownToken,
    UnreadSession,
)
from mcp_guard.policy.decision import (
    Admitted,
    AwaitsMessage,
    AwaitsSession,
    CorsGrant,
    Decision,
    PreflightGranted,
    Principal,
    Reason,
    Refused,
)
from mcp_guard.policy.endpoint import Carrier, Endpoint, MissingOrigin, Profile
from mcp_guard.policy.facts import Exchange, RequestFacts, RequestHead
from mcp_guard.policy.origin import OriginShape, classify
from mcp_guard.policy.proxies import is_tls
from mcp_guard.policy.scopes import Operation
from mcp_guard.policy.snapshot import EndpointPolicy, Snapshot

REPORT_ONLY_SECONDS: Final = 14 * 86400
"""Longest time for which an allowlist is only reported, in seconds."""

PREFLIGHT_HEADERS: Final = (
    "accept",
    "authorization",
    "content-type",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
)
"""Request headers that the published MCP revisions make a page send."""

_PARAMETER_HEADER = re.compile(r"mcp-param-[!#$%&'*+.^_`|~0-9a-z-]{1,64}")
_MAX_PARAMETER_HEADERS = 32
_OWN_SITE = (b"same-origin", b"none")


class _Opening(NamedTuple):
    """What the Origin of a request opens: whose it is, and what its page may read."""

    listing: Listing | None = None
    cors: CorsGrant | None = None
    would_refuse: Reason | None = None
    until: float = 0.0


_NO_ORIGIN = _Opening()
_ANY_ORIGIN = _Opening(cors=CorsGrant(b"*", credentials=False))


def decide(facts: RequestFacts, snapshot: Snapshot) -> Decision:
    """Return what becomes of an exchange under a snapshot."""
    if facts.age > snapshot.max_age:
        return Refused(Reason.POLICY_TOO_OLD)
    policy = snapshot.endpoints.get(facts.endpoint)
    if policy is None:
        return Refused(Reason.GUARD_MISSING)
    head = facts.head
    reason = _head_refusal(head, policy.endpoint)
    if reason is not None:
        return Refused(reason)
    opening = _open(head, policy, facts.now)
    if isinstance(opening, Reason):
        return Refused(opening)
    if head.exchange is Exchange.PREFLIGHT:
        return _preflight(head, policy.endpoint, opening)
    decision = _authenticate(facts, policy, opening)
    if isinstance(decision, Admitted) and head.exchange is Exchange.REQUEST:
        reason = _request_refusal(head, policy.endpoint)
        if reason is not None:
            return Refused(reason, opening.cors)
    return decision


def permit(admitted: Admitted, operation: Operation) -> Admitted | Refused:
    """Return the decision as it is if the principal may do the operation, else a refusal."""
    if admitted.delegated or admitted.principal.grants.cover(operation):
        return admitted
    return Refused(Reason.SCOPE_INSUFFICIENT, admitted.cors, operation)


def _head_refusal(head: RequestHead, endpoint: Endpoint) -> Reason | None:
    if head.malformed is not None or head.root_path not in endpoint.root_paths:
        return Reason.HEAD_MALFORMED
    host = head.headers.get(b"host")
    if host is None or not endpoint.hosts.accept(host):
        return Reason.HOST_NOT_ALLOWED
    if endpoint.require_tls and not is_tls(head, endpoint):
        return Reason.TLS_REQUIRED
    if head.exchange is Exchange.HANDSHAKE:
        return _handshake_refusal(head)
    return None


def _handshake_refusal(head: RequestHead) -> Reason | None:
    """RFC 6455 sections 4.2.1 and 11.3.4: version 13 alone; of the subprotocols offered, ours is one."""
    if head.headers.get(b"sec-websocket-version") != b"13":
        return Reason.WEBSOCKET_VERSION
    offered = head.headers.get(b"sec-websocket-protocol", b"")
    if offered and b"mcp" not in [name.strip(b" \t") for name in offered.split(b",")]:
        return Reason.SUBPROTOCOL_NOT_OFFERED
    return None


def _open(head: RequestHead, policy: EndpointPolicy, now: float) -> _Opening | Reason:
    origin = head.headers.get(b"origin")
    if origin is None:
        return _open_without_origin(head, policy.endpoint)
    endpoint = policy.endpoint
    if endpoint.profile is Profile.BACKEND:
        return Reason.ORIGIN_NOT_EXPECTED
    listing = listed(policy.allowlist, origin, now)
    if listing is not None and not endpoint.opens_to_all_origins:
        return _Opening(listing, _cors(origin, endpoint, listing.cookies), None, listing.expires_at)
    match classify(origin):
        case OriginShape.NULL:
            return Reason.ORIGIN_NULL
        case OriginShape.MALFORMED:
            return Reason.ORIGIN_MALFORMED
        case OriginShape.SERIALIZED:
            return _open_unlisted(origin, policy, listing, now)
        case shape:
            assert_never(shape)


def _open_unlisted(
    origin: bytes, policy: EndpointPolicy, listing: Listing | None, now: float
) -> _Opening | Reason:
    if policy.endpoint.opens_to_all_origins:
        return _ANY_ORIGIN if listing is None else _ANY_ORIGIN._replace(listing=listing)
    until = policy.report_only_until
    if now < until <= now + REPORT_ONLY_SECONDS:
        cors = _cors(origin, policy.endpoint, cookies=False)
        return _Opening(None, cors, Reason.ORIGIN_NOT_LISTED, until)
    return Reason.ORIGIN_NOT_LISTED


def _open_without_origin(head: RequestHead, endpoint: Endpoint) -> _Opening | Reason:
    site = head.headers.get(b"sec-fetch-site")
    if site is not None and site not in _OWN_SITE:
        return Reason.FETCH_SITE_FOREIGN
    if endpoint.profile is Profile.PUBLIC:
        return _NO_ORIGIN
    rule = endpoint.missing_origin_ws if head.exchange.is_websocket else endpoint.missing_origin_http
    return Reason.ORIGIN_MISSING if rule is MissingOrigin.REFUSE else _NO_ORIGIN


def _cors(origin: bytes, endpoint: Endpoint, cookies: bool) -> CorsGrant | None:
    if endpoint.profile is Profile.SAME_ORIGIN:
        return None
    credentials = cookies and endpoint.profile is Profile.PARTNER and not endpoint.forward_authorization
    return CorsGrant(origin, credentials)


def _preflight(head: RequestHead, endpoint: Endpoint, opening: _Opening) -> PreflightGranted:
    """https://fetch.spec.whatwg.org/#cors-preflight-fetch: the true lists, whatever was asked for."""
    headers = list(PREFLIGHT_HEADERS + endpoint.extra_headers)
    if endpoint.token_header is not None:
        headers.append(endpoint.token_header.decode("ascii"))
    asked = head.headers.get(b"access-control-request-headers", b"")
    if b"mcp-param-" in asked.lower():
        names = {name.strip(" \t") for name in asked.decode("latin-1").lower().split(",")}
        parameters = sorted(filter(_PARAMETER_HEADER.fullmatch, names))
        headers += parameters[:_MAX_PARAMETER_HEADERS]
    return PreflightGranted(opening.cors, endpoint.methods, tuple(headers))


def _authenticate(facts: RequestFacts, policy: EndpointPolicy, opening: _Opening) -> Decision:
    endpoint, cors = policy.endpoint, opening.cors
    if endpoint.ignores_credentials and not isinstance(facts.credential, QueryCredential):
        return _admit(Principal(grants=policy.public_grants), opening, endpoint)
    match facts.credential:
        case IssuedToken(record):
            reason = _token_refusal(record, facts, opening)
            if reason is not None:
                return Refused(reason, cors)
            return _admit(_token_principal(record), opening, endpoint, record.expires_at)
        case UnreadSession() | LiveSession() as session:
            return _authenticate_session(session, facts, policy, opening)
        case NoCredential() | DeadSession():
            return _anonymous(facts.head, policy, opening)
        case MistypedToken():
            return Refused(Reason.TOKEN_MISTYPED, cors)
        case UnknownToken():
            return Refused(Reason.TOKEN_UNKNOWN, cors)
        case MalformedCredential():
            return Refused(Reason.CREDENTIAL_MALFORMED, cors)
        case AmbiguousCredential():
            return Refused(Reason.CREDENTIAL_AMBIGUOUS, cors)
        case QueryCredential():
            return Refused(Reason.TOKEN_IN_QUERY, cors)
        case credential:
            assert_never(credential)


def _admit(
    principal: Principal, opening: _Opening, endpoint: Endpoint, expires_at: float = 0.0
) -> Admitted:
    until = opening.until
    if expires_at and (not until or expires_at < until):
        until = expires_at
    return Admitted(principal, opening.cors, opening.would_refuse, until, endpoint.forward_authorization)


def _token_refusal(record: TokenRecord, facts: RequestFacts, opening: _Opening) -> Reason | None:
    now = facts.now
    if record.revoked:
        return Reason.TOKEN_REVOKED
    if now >= record.expires_at:
        return Reason.TOKEN_EXPIRED
    if now < record.not_before:
        return Reason.TOKEN_NOT_YET_VALID
    if not record.client_active:
        return Reason.TOKEN_CLIENT_DISABLED
    if record.user_id is not None and not record.user_active:
        return Reason.TOKEN_USER_INACTIVE
    if facts.endpoint not in record.endpoints:
        return Reason.TOKEN_WRONG_ENDPOINT
    if record.kind is not TokenKind.ANY and not _kind_fits(record, facts.head, opening):
        return Reason.TOKEN_WRONG_KIND
    return None


def _kind_fits(record: TokenRecord, head: RequestHead, opening: _Opening) -> bool:
    if record.kind is TokenKind.SERVER:
        return b"origin" not in head.headers
    return opening.listing is not None and opening.listing.client_id == record.client_id


def _token_principal(record: TokenRecord) -> Principal:
    return Principal(record.client_id, record.client, record.user_id, record.token_id, record.grants)


def _authenticate_session(
    session: UnreadSession | LiveSession, facts: RequestFacts, policy: EndpointPolicy, opening: _Opening
) -> Decision:
    head, endpoint = facts.head, policy.endpoint
    if not endpoint.profile.reads_cookies:
        return _anonymous(head, policy, opening)
    listing = opening.listing
    if b"origin" not in head.headers:
        listing = _own_page(facts, policy)
        if listing is None:
            return Refused(Reason.ORIGIN_MISSING, opening.cors)
    elif listing is None or not (listing.cookies or endpoint.profile is Profile.SAME_ORIGIN):
        return _anonymous(head, policy, opening)
    if isinstance(session, UnreadSession):
        return AwaitsSession(session.key)
    principal = Principal(listing.client_id, listing.client, session.user_id, None, listing.grants)
    return _admit(principal, opening, endpoint, listing.expires_at)


def _own_page(facts: RequestFacts, policy: EndpointPolicy) -> Listing | None:
    """Return the listing of the site's own origin for a GET that the browser calls same-origin.

    Such a GET carries no Origin. Its origin is then that of the URL it was sent to, which is listed like
    any other: Host alone would prove nothing, but Host is one of the endpoint's by now.
    """
    head, endpoint = facts.head, policy.endpoint
    if endpoint.profile is not Profile.SAME_ORIGIN or head.exchange is not Exchange.REQUEST:
        return None
    if head.method not in ("GET", "HEAD") or head.headers.get(b"sec-fetch-site") != b"same-origin":
        return None
    scheme = b"https://" if is_tls(head, endpoint) else b"http://"
    return listed(policy.allowlist, scheme + head.headers[b"host"], facts.now)


def _anonymous(head: RequestHead, policy: EndpointPolicy, opening: _Opening) -> Decision:
    endpoint = policy.endpoint
    if head.exchange is Exchange.HANDSHAKE and Carrier.MESSAGE in endpoint.ws_credentials:
        return AwaitsMessage()
    if endpoint.public_scopes and b"origin" in head.headers and opening.would_refuse is None:
        return _admit(Principal(grants=policy.public_grants), opening, endpoint)
    return Refused(Reason.CREDENTIAL_MISSING, opening.cors)


def _request_refusal(head: RequestHead, endpoint: Endpoint) -> Reason | None:
    method = "GET" if head.method == "HEAD" else head.method
    if method not in endpoint.methods:
        return Reason.METHOD_NOT_ALLOWED
    return content.refusal(head, endpoint)
