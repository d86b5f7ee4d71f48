"""The rules in their order. Pure and total: every input gives a decision, none raises.

Age, head, Host, TLS, Origin, preflight, credential, server, method, content, and the grant where the head
alone says what is asked for. The same function serves every door, so a preflight cannot say yes where the
request says no, nor a page get in over a WebSocket that may not over HTTP. The table of cases in
``tests/table.py`` is its specification.
"""

from __future__ import annotations

import re
from typing import Final

from mcp_guard.policy import content, local
from mcp_guard.policy.authenticate import authenticate
from mcp_guard.policy.decision import FOR_GOOD, Admitted, Decision, PreflightGranted, Reason, Refused
from mcp_guard.policy.endpoint import Endpoint, Messages, Profile
from mcp_guard.policy.facts import Exchange, RequestFacts, RequestHead
from mcp_guard.policy.opening import Opening, open_origin
from mcp_guard.policy.proxies import is_tls
from mcp_guard.policy.scopes import Operation, over_http
from mcp_guard.policy.snapshot import EndpointPolicy, Snapshot

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
        return Refused(reason, until=FOR_GOOD)
    opening = open_origin(head, policy, facts.now)
    if isinstance(opening, Refused):
        return opening
    if head.exchange is Exchange.PREFLIGHT:
        return _preflight(head, policy.endpoint, opening)
    decision = authenticate(facts, policy, opening)
    return _admit(decision, head, policy) if isinstance(decision, Admitted) else decision


def permit(admitted: Admitted, operation: Operation) -> Admitted | Refused:
    """Return the decision as it is if the principal may do the operation, else a refusal."""
    if admitted.delegated or admitted.principal.grants.cover(operation):
        return admitted
    return Refused(Reason.SCOPE_INSUFFICIENT, admitted.cors, operation)


def _head_refusal(head: RequestHead, endpoint: Endpoint) -> Reason | None:
    if head.malformed is not None or head.root_path not in endpoint.root_paths:
        return Reason.HEAD_MALFORMED
    host = head.headers.get(b"host")
    if host is None:  # RFC 9112 section 3.2
        return Reason.HEAD_MALFORMED
    if endpoint.profile is Profile.LOCAL:
        reason = local.refusal(head, endpoint)
        if reason is not None:
            return reason
    elif not endpoint.hosts.accept(host):
        return Reason.HOST_NOT_ALLOWED
    if endpoint.require_tls and not is_tls(head, endpoint):
        return Reason.TLS_REQUIRED
    if head.exchange is Exchange.HANDSHAKE:
        return _handshake_refusal(head, endpoint)
    return None


def _handshake_refusal(head: RequestHead, endpoint: Endpoint) -> Reason | None:
    """RFC 6455 sections 4.2.1 and 11.3.4: version 13 alone; of the subprotocols offered, ours is one.

    Messages that the gate could not read are not let in.
    """
    if endpoint.messages is not Messages.MCP:
        return Reason.WEBSOCKET_NOT_EXPECTED
    if head.headers.get(b"sec-websocket-version") != b"13":
        return Reason.WEBSOCKET_VERSION
    offered = head.headers.get(b"sec-websocket-protocol", b"")
    if offered and b"mcp" not in [name.strip(b" \t") for name in offered.split(b",")]:
        return Reason.SUBPROTOCOL_NOT_OFFERED
    return None


def _preflight(head: RequestHead, endpoint: Endpoint, opening: Opening) -> PreflightGranted:
    """https://fetch.spec.whatwg.org/#cors-preflight-fetch: the true lists, whatever was asked for."""
    headers = list(PREFLIGHT_HEADERS + endpoint.extra_headers)
    if endpoint.token_header is not None:
        headers.append(endpoint.token_header.decode("ascii"))
    if endpoint.profile is Profile.LOCAL:
        headers.append("x-mcp-nonce")
    asked = head.headers.get(b"access-control-request-headers", b"")
    if b"mcp-param-" in asked.lower():
        names = {name.strip(" \t") for name in asked.decode("latin-1").lower().split(",")}
        parameters = sorted(filter(_PARAMETER_HEADER.fullmatch, names))
        headers += parameters[:_MAX_PARAMETER_HEADERS]
    return PreflightGranted(opening.cors, endpoint.methods, tuple(headers), opening.until)


def _admit(admitted: Admitted, head: RequestHead, policy: EndpointPolicy) -> Admitted | Refused:
    """Only who would be let in learns that nothing is served there."""
    if policy.unserved is not None:
        return Refused(policy.unserved, admitted.cors)
    if head.exchange is Exchange.REQUEST:
        return _admit_request(admitted, head, policy.endpoint)
    return admitted


def _admit_request(admitted: Admitted, head: RequestHead, endpoint: Endpoint) -> Admitted | Refused:
    method = "GET" if head.method == "HEAD" else head.method
    if method not in endpoint.methods:
        return Refused(Reason.METHOD_NOT_ALLOWED, admitted.cors)
    reason = content.refusal(head, endpoint)
    if reason is not None:
        return Refused(reason, admitted.cors)
    return permit(admitted, over_http(head.method)) if endpoint.messages is Messages.HTTP else admitted
