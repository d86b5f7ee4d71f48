"""Find what the head of a request presents, and turn token texts into digests on the spot."""

from __future__ import annotations

from mcp_guard import nonce, tickets
from mcp_guard.policy.credential import (
    AMBIGUOUS_CREDENTIAL,
    LIVE_NONCE,
    MALFORMED_CREDENTIAL,
    MISSING_NONCE,
    NO_CREDENTIAL,
    QUERY_CREDENTIAL,
    WRONG_NONCE,
    Presented,
    PresentedToken,
    UnreadSession,
    UnreadTicket,
    bearer_text,
    offered_token,
    query_has_token,
    query_value,
    session_key,
    token68,
)
from mcp_guard.policy.endpoint import Carrier, Endpoint, Profile
from mcp_guard.policy.facts import Exchange, RequestHead
from mcp_guard.tokens import digest, is_well_formed


def present(head: RequestHead, endpoint: Endpoint) -> Presented:
    """Return what the head of a request presents.

    An explicit carrier decides alone: with one, the cookie is not even looked at. Two are refused.
    """
    if endpoint.ignores_credentials:
        return QUERY_CREDENTIAL if query_has_token(head.query) else NO_CREDENTIAL
    if endpoint.require_nonce and (by_nonce := _by_nonce(head, endpoint)) is not LIVE_NONCE:
        return MISSING_NONCE if by_nonce is None else by_nonce
    headers = head.headers
    authorization = headers.get(b"authorization")
    second = headers.get(endpoint.token_header) if endpoint.token_header is not None else None
    in_query = bool(head.query) and query_has_token(head.query)
    further = _further(head, endpoint)
    if (authorization is not None) + (second is not None) + in_query + (further is not None) > 1:
        return AMBIGUOUS_CREDENTIAL
    if (authorization is not None or second is not None) and not _takes_headers(head, endpoint):
        return MALFORMED_CREDENTIAL
    if authorization is not None:
        return present_text(bearer_text(authorization))
    if second is not None:
        return present_text(bearer_text(second) or token68(second))
    if in_query:
        return QUERY_CREDENTIAL
    if further is not None:
        return further
    if endpoint.profile.reads_cookies and b"cookie" in headers:
        key = session_key(headers[b"cookie"], endpoint.session_cookie)
        return NO_CREDENTIAL if key is None else UnreadSession(key)
    return NO_CREDENTIAL


def _takes_headers(head: RequestHead, endpoint: Endpoint) -> bool:
    return head.exchange is not Exchange.HANDSHAKE or Carrier.HEADER in endpoint.ws_credentials


def _further(head: RequestHead, endpoint: Endpoint) -> Presented | None:
    """Return what stands where not every exchange or endpoint has a carrier, None when nothing does."""
    found: list[Presented | None] = []
    if head.exchange is Exchange.HANDSHAKE:
        found = [_by_ticket(head, endpoint), _by_subprotocol(head, endpoint)]
    if endpoint.profile is Profile.LOCAL and not endpoint.require_nonce:
        found.append(_by_nonce(head, endpoint))
    carried = [each for each in found if each is not None]
    if len(carried) > 1:
        return AMBIGUOUS_CREDENTIAL
    return carried[0] if carried else None


def _by_nonce(head: RequestHead, endpoint: Endpoint) -> Presented | None:
    """Return what stands where the nonce of a local server may, None when nothing does."""
    value = head.headers.get(b"x-mcp-nonce")
    if head.exchange is Exchange.HANDSHAKE and (in_query := query_value(head.query, "nonce")) is not None:
        if value is not None:
            return AMBIGUOUS_CREDENTIAL
        if not endpoint.nonce_query:
            return MALFORMED_CREDENTIAL
        value = in_query
    if value is None:
        return None
    return LIVE_NONCE if nonce.matches(value) else WRONG_NONCE


def _by_ticket(head: RequestHead, endpoint: Endpoint) -> Presented | None:
    ticket = query_value(head.query, "ticket")
    if ticket is None:
        return None
    if Carrier.TICKET not in endpoint.ws_credentials or not tickets.is_well_formed(ticket):
        return MALFORMED_CREDENTIAL
    return UnreadTicket(tickets.digest(ticket), tickets.key(ticket))


def _by_subprotocol(head: RequestHead, endpoint: Endpoint) -> Presented | None:
    text = offered_token(head.headers.get(b"sec-websocket-protocol", b""))
    if text is None:
        return None
    return (
        present_text(text or None) if Carrier.SUBPROTOCOL in endpoint.ws_credentials else MALFORMED_CREDENTIAL
    )


def present_text(text: str | None) -> Presented:
    """Return the credential that a token text is; None stands for something that is no token."""
    if text is None:
        return MALFORMED_CREDENTIAL
    return PresentedToken(digest(text), is_well_formed(text))
