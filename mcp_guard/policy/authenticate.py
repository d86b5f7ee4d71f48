"""Who an exchange acts for: the rules about tokens, sessions and those who present nothing."""

from __future__ import annotations

from typing import assert_never

from mcp_guard.policy.allowlist import Listing, listed
from mcp_guard.policy.credential import (
    AmbiguousCredential,
    DeadSession,
    IssuedToken,
    LiveNonce,
    LiveSession,
    MalformedCredential,
    MissingNonce,
    MistypedToken,
    NoCredential,
    QueryCredential,
    TokenKind,
    TokenRecord,
    UnknownToken,
    UnreadSession,
    UnreadTicket,
    UnreadToken,
    UnusableTicket,
    WrongNonce,
)
from mcp_guard.policy.decision import (
    LOCAL_CLIENT,
    Admitted,
    AwaitsMessage,
    AwaitsSession,
    AwaitsTicket,
    AwaitsToken,
    Decision,
    Principal,
    Reason,
    Refused,
)
from mcp_guard.policy.endpoint import Carrier, Endpoint, Profile
from mcp_guard.policy.facts import Exchange, RequestFacts, RequestHead
from mcp_guard.policy.opening import Opening
from mcp_guard.policy.proxies import is_tls
from mcp_guard.policy.snapshot import EndpointPolicy


def authenticate(facts: RequestFacts, policy: EndpointPolicy, opening: Opening) -> Decision:
    """Return whether what was presented lets the exchange in, and for whom it then acts.

    A token decides alone. A session counts only where the profile and the row of its origin say so.
    """
    endpoint, cors = policy.endpoint, opening.cors
    if endpoint.ignores_credentials and not isinstance(facts.credential, QueryCredential):
        return _admit(Principal(grants=policy.public_grants), opening, endpoint)
    match facts.credential:
        case IssuedToken(record):
            reason = _token_refusal(record, facts, opening)
            if reason is not None:
                return Refused(reason, cors)
            return _admit(_token_principal(record, facts.endpoint), opening, endpoint, record.expires_at)
        case UnreadToken(digest):
            return AwaitsToken(digest)
        case UnreadTicket(digest, key):
            return AwaitsTicket(digest, key)
        case LiveNonce():
            principal = Principal(client=LOCAL_CLIENT, grants=policy.local_grants)
            return _admit(principal, opening, endpoint)
        case UnreadSession() | LiveSession() as session:
            return _authenticate_session(session, facts, policy, opening)
        case NoCredential() | DeadSession():
            return _anonymous(facts.head, policy, opening)
        case unusable:
            return Refused(_unusable(unusable), cors)


def _unusable(
    credential: MistypedToken
    | UnknownToken
    | UnusableTicket
    | WrongNonce
    | MissingNonce
    | MalformedCredential
    | AmbiguousCredential
    | QueryCredential,
) -> Reason:
    match credential:
        case MistypedToken():
            return Reason.TOKEN_MISTYPED
        case UnknownToken():
            return Reason.TOKEN_UNKNOWN
        case UnusableTicket():
            return Reason.TICKET_UNUSABLE
        case WrongNonce():
            return Reason.NONCE_WRONG
        case MissingNonce():
            return Reason.NONCE_MISSING
        case MalformedCredential():
            return Reason.CREDENTIAL_MALFORMED
        case AmbiguousCredential():
            return Reason.CREDENTIAL_AMBIGUOUS
        case QueryCredential():
            return Reason.TOKEN_IN_QUERY
        case _:
            assert_never(credential)


def _admit(principal: Principal, opening: Opening, endpoint: Endpoint, expires_at: float = 0.0) -> Admitted:
    until = opening.until
    if expires_at and (not until or expires_at < until):
        until = expires_at
    return Admitted(principal, opening.cors, opening.would_refuse, until, endpoint.forward_authorization)


def _token_refusal(record: TokenRecord, facts: RequestFacts, opening: Opening) -> Reason | None:
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


def _kind_fits(record: TokenRecord, head: RequestHead, opening: Opening) -> bool:
    if record.kind is TokenKind.SERVER:
        return b"origin" not in head.headers
    return opening.listing is not None and opening.listing.client_id == record.client_id


def _token_principal(record: TokenRecord, endpoint: str) -> Principal:
    grants = record.grants.at(endpoint)
    return Principal(
        record.client_id, record.client, record.user_id, record.token_id, grants, record.secret_id
    )


def _authenticate_session(
    session: UnreadSession | LiveSession, facts: RequestFacts, policy: EndpointPolicy, opening: Opening
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
    principal = Principal(
        listing.client_id, listing.client, session.user_id, None, listing.grants.at(endpoint.name)
    )
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


def _anonymous(head: RequestHead, policy: EndpointPolicy, opening: Opening) -> Decision:
    endpoint = policy.endpoint
    if head.exchange is Exchange.HANDSHAKE and Carrier.MESSAGE in endpoint.ws_credentials:
        return AwaitsMessage()
    if endpoint.public_scopes and b"origin" in head.headers and opening.would_refuse is None:
        return _admit(Principal(grants=policy.public_grants), opening, endpoint)
    return Refused(Reason.CREDENTIAL_MISSING, opening.cors, until=opening.until)
