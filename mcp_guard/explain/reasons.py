"""What each reason for a refusal means to an operator: at which step it falls, and what to do."""

from __future__ import annotations

from enum import Enum
from typing import Final

from mcp_guard.policy.decision import Reason


class Step(Enum):
    """The steps of a judgement in their order."""

    POLICY = "policy"
    HEAD = "head"
    HOST = "host"
    TLS = "tls"
    HANDSHAKE = "handshake"
    ORIGIN = "origin"
    CREDENTIAL = "credential"
    SERVER = "server"
    CONTENT = "content"
    GRANT = "grant"
    BOUND = "bound"


RULES: Final[dict[Step, str]] = {
    Step.POLICY: "The policy was read lately enough, and the endpoint is declared.",
    Step.HEAD: "The head is whole and in its plain form.",
    Step.HOST: "Host is one of the endpoint's.",
    Step.TLS: "The request came over TLS, where the endpoint requires it.",
    Step.HANDSHAKE: "A WebSocket may be opened here, and its handshake is that of RFC 6455.",
    Step.ORIGIN: "The Origin is listed, or may be absent.",
    Step.CREDENTIAL: "What is presented works here and now, from this Origin.",
    Step.SERVER: "Behind the endpoint there is something that may run.",
    Step.CONTENT: "Method, type and length of the body are taken.",
    Step.GRANT: "A grant of its scopes opens what is asked for.",
    Step.BOUND: "Nobody has more of the process than their share.",
}
"""What each step asks for."""


def step_of(reason: Reason) -> Step:
    """Return the step at which a reason falls."""
    return next(step for step, advices in ADVICE.items() if reason in advices)


def advice(reason: Reason) -> str:
    """Return what a reason means and, where something does, what lets the request in."""
    return ADVICE[step_of(reason)][reason]


ADVICE: Final[dict[Step, dict[Reason, str]]] = {
    Step.POLICY: {
        Reason.POLICY_TOO_OLD: "The process could not read its policy for too long; look at the database.",
        Reason.GUARD_MISSING: "No decision was attached to the request; look at the system checks.",
    },
    Step.HEAD: {
        Reason.HEAD_MALFORMED: "The head is doubled or not in its plain form; the client has to be repaired.",
    },
    Step.HOST: {
        Reason.PEER_NOT_LOCAL: "The profile local lets in this machine alone, and nobody by way of a proxy.",
        Reason.HOST_NOT_ALLOWED: "Not a host of the endpoint; add it to its 'hosts' or to ALLOWED_HOSTS.",
    },
    Step.TLS: {
        Reason.TLS_REQUIRED: "The endpoint requires TLS, and this came over plain HTTP.",
    },
    Step.HANDSHAKE: {
        Reason.WEBSOCKET_VERSION: "The handshake is not that of version 13 of the protocol.",
        Reason.WEBSOCKET_NOT_EXPECTED: "The endpoint has messages 'http': a WebSocket's could not be judged.",
        Reason.SUBPROTOCOL_NOT_OFFERED: "The client offers subprotocols, and mcp is not among them.",
    },
    Step.ORIGIN: {
        Reason.ORIGIN_MALFORMED: "No browser sends this: an Origin is scheme, host in lower case, port.",
        Reason.ORIGIN_NULL: "null names nobody: every sandboxed frame sends it. It is never let in.",
        Reason.ORIGIN_NOT_LISTED: "No active row lists this origin for the endpoint; “origin add” does.",
        Reason.ORIGIN_NOT_EXPECTED: "The profile of the endpoint is for callers that are no browsers.",
        Reason.ORIGIN_MISSING: "The endpoint wants an Origin here; see its setting 'missing_origin'.",
        Reason.FETCH_SITE_FOREIGN: "The browser says that a page of another site sent this without Origin.",
    },
    Step.CREDENTIAL: {
        Reason.CREDENTIAL_MISSING: "Nothing was presented, and nothing is open without; see “token issue”.",
        Reason.CREDENTIAL_MALFORMED: "What was presented has not the form of a bearer token.",
        Reason.CREDENTIAL_AMBIGUOUS: "Two tokens came at once; one of them decides alone.",
        Reason.TOKEN_IN_QUERY: "A token in a URL ends up in logs: it belongs into the header Authorization.",
        Reason.TOKEN_MISTYPED: "The checksum of the token does not fit: it is cut off, mistyped or not ours.",
        Reason.TOKEN_UNKNOWN: "No row knows this token: it was rotated away, deleted or issued elsewhere.",
        Reason.TOKEN_REVOKED: "The token is revoked for good; “token issue” makes a new one.",
        Reason.TOKEN_NOT_YET_VALID: "The token begins later; see its not_before.",
        Reason.TOKEN_EXPIRED: "The token, or this secret of it after a rotation, has expired.",
        Reason.TOKEN_USER_INACTIVE: "The user whom the token acts for is deactivated.",
        Reason.TOKEN_CLIENT_DISABLED: "The client is disabled; “client enable” lets it in again.",
        Reason.TOKEN_WRONG_ENDPOINT: "The token is for other endpoints.",
        Reason.TOKEN_WRONG_KIND: "A server token has no Origin, a browser token one of its client's.",
        Reason.NONCE_MISSING: "It has require_nonce: send what the nonce file holds in X-MCP-Nonce.",
        Reason.NONCE_WRONG: "Not the nonce of this start of the server; read its nonce file again.",
        Reason.TICKET_UNUSABLE: "A ticket opens one socket, within 30 s, for its own page and endpoint.",
        Reason.TICKETS_EXHAUSTED: "As many tickets are open as may be; see the setting 'limits', 'tickets'.",
        Reason.PRINCIPAL_CHANGED: "Another client or user than the one the socket was opened for.",
        Reason.AUTHENTICATION_TIMEOUT: "The first message with a token did not come in time.",
        Reason.STORE_UNREADABLE: "The session store or the database did not answer in time.",
    },
    Step.SERVER: {
        Reason.SERVER_UNKNOWN: "No server is registered under this name; “server list” shows those that are.",
        Reason.SERVER_DISABLED: "The server is disabled; “server enable” lets it run again.",
        Reason.SERVER_NOT_APPROVED: "What the server runs is not approved; see “server show” and “approve”.",
        Reason.SERVER_UNUSABLE: "Its row cannot be used, or is confined less than SERVERS_LEVEL allows.",
    },
    Step.CONTENT: {
        Reason.METHOD_NOT_ALLOWED: "The endpoint does not answer this HTTP method.",
        Reason.CONTENT_TYPE: "A body is application/json in UTF-8 and nothing else.",
        Reason.CONTENT_ENCODING: "A body comes without Content-Encoding.",
        Reason.BODY_TOO_LARGE: "The body is larger than the endpoint's limit body_bytes.",
        Reason.MESSAGE_MALFORMED: "Not one valid JSON-RPC message.",
        Reason.HEADERS_DISAGREE: "The headers that repeat the message say something else; repair the client.",
        Reason.MESSAGE_NOT_TEXT: "A WebSocket message is text.",
        Reason.MESSAGE_TOO_LARGE: "The message is larger than the endpoint's limit message_bytes.",
    },
    Step.GRANT: {
        Reason.SCOPE_INSUFFICIENT: "None of its scopes grants this; “scope set” or another token does.",
        Reason.LIST_UNREADABLE: "The application answered with a list that could not be read; repair that.",
    },
    Step.BOUND: {
        Reason.BODY_TOO_SLOW: "Its body did not arrive within the limit body_seconds.",
        Reason.FAILURES_TOO_MANY: "Too many failed lately, with this token or from this address.",
        Reason.SOCKETS_TOO_MANY: "The process has as many sockets open as SOCKETS says.",
        Reason.SOCKETS_OF_ADDRESS: "Its address has as many sockets open as SOCKETS_PER_ADDRESS says.",
        Reason.SOCKETS_OF_PRINCIPAL: "It has as many sockets open as the limit sockets_per_principal says.",
        Reason.STREAMS_OF_PRINCIPAL: "It has as many streams open as the limit streams_per_principal says.",
        Reason.CALLS_OF_PRINCIPAL: "As many of its calls run as the limit calls_per_principal says.",
        Reason.CALL_TOO_LARGE: "What it sent and has no answer to is more than the limit in_flight_bytes.",
        Reason.CALL_TOO_LONG: "The call took longer than the limit call_seconds and was cancelled.",
        Reason.MESSAGES_TOO_FAST: "The socket sent faster than the limit messages_per_second.",
        Reason.SOCKET_IDLE: "No message went either way for as long as the limit idle_seconds says.",
        Reason.SOCKET_TOO_OLD: "The socket was open for as long as the limit socket_seconds says.",
        Reason.PEER_NOT_READING: "It left unread what was sent to it, for as long as send_seconds says.",
    },
}
"""Every reason stands under exactly one step; a test counts them."""
