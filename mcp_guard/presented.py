"""Find what the head of a request presents, and turn token texts into digests on the spot."""

from __future__ import annotations

from mcp_guard.policy.credential import (
    AMBIGUOUS_CREDENTIAL,
    MALFORMED_CREDENTIAL,
    NO_CREDENTIAL,
    QUERY_CREDENTIAL,
    Presented,
    PresentedToken,
    UnreadSession,
    bearer_text,
    query_has_token,
    session_key,
    token68,
)
from mcp_guard.policy.endpoint import Carrier, Endpoint
from mcp_guard.policy.facts import Exchange, RequestHead
from mcp_guard.tokens import digest, is_well_formed


def present(head: RequestHead, endpoint: Endpoint) -> Presented:
    """Return what the head of a request presents.

    An explicit carrier decides alone: with one, the cookie is not even looked at. Two are refused.
    """
    if endpoint.ignores_credentials:
        return QUERY_CREDENTIAL if query_has_token(head.query) else NO_CREDENTIAL
    headers = head.headers
    authorization = headers.get(b"authorization")
    second = headers.get(endpoint.token_header) if endpoint.token_header is not None else None
    in_query = bool(head.query) and query_has_token(head.query)
    if (authorization is not None) + (second is not None) + in_query > 1:
        return AMBIGUOUS_CREDENTIAL
    if (authorization is not None or second is not None) and not _takes_headers(head, endpoint):
        return MALFORMED_CREDENTIAL
    if authorization is not None:
        return present_text(bearer_text(authorization))
    if second is not None:
        return present_text(bearer_text(second) or token68(second))
    if in_query:
        return QUERY_CREDENTIAL
    if endpoint.profile.reads_cookies and b"cookie" in headers:
        key = session_key(headers[b"cookie"], endpoint.session_cookie)
        return NO_CREDENTIAL if key is None else UnreadSession(key)
    return NO_CREDENTIAL


def _takes_headers(head: RequestHead, endpoint: Endpoint) -> bool:
    return head.exchange is not Exchange.HANDSHAKE or Carrier.HEADER in endpoint.ws_credentials


def present_text(text: str | None) -> Presented:
    """Return the credential that a token text is; None stands for something that is no token."""
    if text is None:
        return MALFORMED_CREDENTIAL
    return PresentedToken(digest(text), is_well_formed(text))
