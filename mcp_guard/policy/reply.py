"""What the outside learns of a decision: status, headers, body, close code.

All token failures get one and the same answer. Policy answers with 401, 403, 421, 429 and 503 alone:
MCP clients take 400, 404 and 405 for an older server and fall back to another protocol. A call that was
cut off is 504, a list that is withheld 502.
"""

from __future__ import annotations

import json
from typing import Final, NamedTuple, assert_never

from mcp_guard.policy.decision import CorsGrant, Fault, PreflightGranted, Reason, Refused
from mcp_guard.policy.endpoint import Endpoint
from mcp_guard.policy.scopes import MAX_LENGTH

Header = tuple[bytes, bytes]

EXPOSED_HEADERS: Final = b"Mcp-Session-Id, MCP-Protocol-Version, WWW-Authenticate, Retry-After"
"""Response headers that a listed page may read."""

PREFLIGHT_SECONDS: Final = 600
"""How long a browser may keep a preflight; the request itself is judged all the same."""

_RETRY_SECONDS: Final = {429: 1, 503: 5}
"""Retry-After by status, where nothing better is known."""

REFUSAL_CODE: Final = -32600
"""JSON-RPC code of a refusal: the reserved range of the specification has none for policy."""

TOO_LONG_CODE: Final = -32603
"""JSON-RPC code of a call that was cut off: nothing is wrong with the request."""

MAX_CHALLENGE: Final = 2000
"""How many bytes of grants a challenge names, before they are escaped: clients bound their headers."""

_PREFLIGHT_VARY = b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"


ID_LENGTH: Final = 16
"""How many hexadecimal digits a correlation id has: 64 bits."""

_NO_ID: Final = "-" * ID_LENGTH


class Reply(NamedTuple):
    """A whole HTTP answer. Several requests may get the same one: who sends it has the headers copied."""

    status: int
    headers: list[Header]
    body: bytes


class Blank(NamedTuple):
    """The answer to refusals that differ in nothing but their correlation id, of ID_LENGTH characters."""

    status: int
    headers: list[Header]
    before: bytes
    after: bytes

    def filled_in(self, correlation_id: str) -> Reply:
        """Return the answer with a correlation id in its place."""
        return Reply(self.status, self.headers, self.before + correlation_id.encode() + self.after)


def status(reason: Reason) -> int:  # noqa: C901, PLR0912 (one case for each status)
    """Return the HTTP status of a refusal."""
    match reason:
        case (
            Reason.HEAD_MALFORMED
            | Reason.CREDENTIAL_AMBIGUOUS
            | Reason.MESSAGE_MALFORMED
            | Reason.HEADERS_DISAGREE
        ):
            return 400
        case Reason.HOST_NOT_ALLOWED:
            return 421
        case (
            Reason.PEER_NOT_LOCAL
            | Reason.TLS_REQUIRED
            | Reason.WEBSOCKET_VERSION
            | Reason.WEBSOCKET_NOT_EXPECTED
            | Reason.SUBPROTOCOL_NOT_OFFERED
            | Reason.ORIGIN_MALFORMED
            | Reason.ORIGIN_NULL
            | Reason.ORIGIN_NOT_LISTED
            | Reason.ORIGIN_NOT_EXPECTED
            | Reason.ORIGIN_MISSING
            | Reason.FETCH_SITE_FOREIGN
            | Reason.SCOPE_INSUFFICIENT
        ):
            return 403
        case (
            Reason.CREDENTIAL_MISSING
            | Reason.CREDENTIAL_MALFORMED
            | Reason.TOKEN_IN_QUERY
            | Reason.TOKEN_MISTYPED
            | Reason.TOKEN_UNKNOWN
            | Reason.TOKEN_REVOKED
            | Reason.TOKEN_NOT_YET_VALID
            | Reason.TOKEN_EXPIRED
            | Reason.TOKEN_USER_INACTIVE
            | Reason.TOKEN_CLIENT_DISABLED
            | Reason.TOKEN_WRONG_ENDPOINT
            | Reason.TOKEN_WRONG_KIND
            | Reason.NONCE_MISSING
            | Reason.NONCE_WRONG
            | Reason.TICKET_UNUSABLE
            | Reason.PRINCIPAL_CHANGED
            | Reason.AUTHENTICATION_TIMEOUT
        ):
            return 401
        case Reason.METHOD_NOT_ALLOWED:
            return 405
        case Reason.CONTENT_TYPE | Reason.CONTENT_ENCODING | Reason.MESSAGE_NOT_TEXT:
            return 415
        case Reason.BODY_TOO_LARGE | Reason.MESSAGE_TOO_LARGE:
            return 413
        case (
            Reason.FAILURES_TOO_MANY
            | Reason.SOCKETS_TOO_MANY
            | Reason.SOCKETS_OF_ADDRESS
            | Reason.SOCKETS_OF_PRINCIPAL
            | Reason.STREAMS_OF_PRINCIPAL
            | Reason.CALLS_OF_PRINCIPAL
            | Reason.CALL_TOO_LARGE
            | Reason.MESSAGES_TOO_FAST
            | Reason.TICKETS_EXHAUSTED
        ):
            return 429
        case Reason.BODY_TOO_SLOW | Reason.SOCKET_IDLE | Reason.SOCKET_TOO_OLD | Reason.PEER_NOT_READING:
            return 408
        case Reason.CALL_TOO_LONG:
            return 504
        case Reason.LIST_UNREADABLE:
            return 502
        case (
            Reason.POLICY_TOO_OLD
            | Reason.STORE_UNREADABLE
            | Reason.GUARD_MISSING
            | Reason.SERVER_UNKNOWN
            | Reason.SERVER_DISABLED
            | Reason.SERVER_NOT_APPROVED
            | Reason.SERVER_UNUSABLE
        ):
            return 503
        case _:
            assert_never(reason)


def close_code(reason: Reason) -> int:
    """Return the code that closes an open WebSocket (RFC 6455 section 7.4.2: 4000 to 4999 are private).

    Not the registered 1003, 1008 and 1009: not every server can send them.
    """
    match reason:
        case Reason.MESSAGE_NOT_TEXT:
            return 4415
        case _:
            return _CLOSE_CODES.get(status(reason), 4403)


def message(reason: Reason) -> str:
    """Return what a refused party is told; the exact reason stays with the administrator."""
    match reason:
        case Reason.HOST_NOT_ALLOWED:
            return "Host not allowed"
        case Reason.TLS_REQUIRED:
            return "TLS required"
        case Reason.CREDENTIAL_MISSING | Reason.NONCE_MISSING | Reason.AUTHENTICATION_TIMEOUT:
            return "Authentication required"
        case Reason.SCOPE_INSUFFICIENT:
            return "Insufficient scope"
        case Reason.METHOD_NOT_ALLOWED:
            return "Method not allowed"
        case Reason.CONTENT_TYPE | Reason.CONTENT_ENCODING:
            return "Content-Type must be application/json in UTF-8, without encoding"
        case Reason.MESSAGE_MALFORMED:
            return "Not one valid JSON-RPC message"
        case Reason.HEADERS_DISAGREE:
            return "Headers and message disagree"
        case (
            Reason.SERVER_UNKNOWN
            | Reason.SERVER_DISABLED
            | Reason.SERVER_NOT_APPROVED
            | Reason.SERVER_UNUSABLE
        ):
            return "Server not available"
        case _:
            return _MESSAGES[status(reason)]


_CLOSE_CODES: Final = {400: 4400, 401: 4401, 408: 4408, 413: 4413, 429: 4429, 503: 4503, 504: 4408}

_MESSAGES: Final = {
    400: "Malformed request",
    401: "Invalid token",
    403: "Origin not allowed",
    408: "Timed out",
    413: "Too large",
    415: "Text messages only",
    429: "Too many requests",
    502: "The list could not be read",
    503: "Policy not available",
    504: "The call took too long",
}


def refusal(refused: Refused, endpoint: Endpoint | None, correlation_id: str) -> Reply:
    """Return the answer to a refused request; the id lets an administrator find the exact reason."""
    reason = refused.reason
    body = error_text(refused, correlation_id).encode()
    headers: list[Header] = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"vary", b"Origin"),
        *cors_headers(refused.cors),
    ]
    code = status(reason)
    if code == 401 or reason is Reason.SCOPE_INSUFFICIENT:
        headers.append((b"www-authenticate", challenge(refused)))
    if code in _RETRY_SECONDS:
        seconds = refused.retry_after or _RETRY_SECONDS[code]
        headers.append((b"retry-after", str(seconds).encode()))
    if code == 405 and endpoint is not None:
        headers.append((b"allow", ", ".join((*endpoint.methods, "OPTIONS")).encode()))
    return Reply(code, headers, body)


def blank(refused: Refused, endpoint: Endpoint | None) -> Blank:
    """Return the answer to refusals like this one, which is of a head alone: no message is quoted in it."""
    answer = refusal(refused, endpoint, _NO_ID)
    before, _, after = answer.body.partition(_NO_ID.encode())
    return Blank(answer.status, answer.headers, before, after)


def error_text(refused: Refused, correlation_id: str) -> str:
    """Return the JSON-RPC error that says so: to the request where one was read, else to none.

    Some clients show the message and nothing else of it, so that names the grants that are needed.
    """
    code = TOO_LONG_CODE if refused.reason is Reason.CALL_TOO_LONG else REFUSAL_CODE
    fault = refused.fault or Fault(code, message(refused.reason))
    data = {"correlation_id": correlation_id}
    grants = _grantable(refused)
    if grants:
        data["scope"] = " ".join(grants)
        verb = "is" if len(grants) == 1 else "are"
        fault = fault._replace(text=f"{fault.text}: {', '.join(grants)} {verb} needed")
    error = {"code": fault.code, "message": fault.text, "data": data}
    return json.dumps({"jsonrpc": "2.0", "id": refused.request_id, "error": error})


def challenge(refused: Refused) -> bytes:
    """Return the value of WWW-Authenticate (RFC 6750 section 3; no error when nothing was presented)."""
    if refused.reason is Reason.SCOPE_INSUFFICIENT:
        grants = b" ".join(map(_scope_value, _grantable(refused)))
        scope = b', scope="' + grants + b'"' if grants else b""
        return b'Bearer realm="mcp", error="insufficient_scope"' + scope
    if refused.reason in (Reason.CREDENTIAL_MISSING, Reason.NONCE_MISSING, Reason.AUTHENTICATION_TIMEOUT):
        return b'Bearer realm="mcp"'
    return b'Bearer realm="mcp", error="invalid_token"'


def _grantable(refused: Refused) -> list[str]:
    """Return the grants that are needed, without names too long for one, which nobody echoes.

    Of more than a header can hold the first ones are named.
    """
    if refused.operation is None:
        return []
    grants: list[str] = []
    left = MAX_CHALLENGE
    for grant in refused.operation.grants:
        left -= len(grant.encode("utf-8", "replace"))
        if len(grant) <= MAX_LENGTH and left >= 0:
            grants.append(grant)
    return grants


def _scope_value(grant: str) -> bytes:
    """Return a grant in the characters of a scope-token (RFC 6749 section 3.3), others percent-encoded."""
    return b"".join(
        bytes([byte]) if 0x21 <= byte <= 0x7E and byte not in b'"\\' else b"%%%02X" % byte
        for byte in grant.encode("utf-8", "replace")
    )


def preflight(granted: PreflightGranted) -> Reply:
    """Return the answer to a granted preflight (https://fetch.spec.whatwg.org/#http-responses)."""
    headers: list[Header] = [(b"vary", _PREFLIGHT_VARY), (b"content-length", b"0")]
    if granted.cors is not None:
        headers += [
            *_grant_headers(granted.cors),
            (b"access-control-allow-methods", ", ".join((*granted.methods, "OPTIONS")).encode("ascii")),
            (b"access-control-allow-headers", ", ".join(granted.headers).encode("ascii")),
            (b"access-control-max-age", str(PREFLIGHT_SECONDS).encode()),
        ]
    return Reply(204, headers, b"")


def ticket(text: str, seconds: int, cors: CorsGrant | None) -> Reply:
    """Return the answer that hands a ticket out; nobody keeps it on the way."""
    body = json.dumps({"ticket": text, "expires_in": seconds}).encode()
    headers: list[Header] = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"vary", b"Origin"),
        *cors_headers(cors),
    ]
    return Reply(200, headers, body)


def cors_headers(cors: CorsGrant | None) -> list[Header]:
    """Return the CORS headers of an answer that is no preflight's; none without a grant."""
    if cors is None:
        return []
    return [*_grant_headers(cors), (b"access-control-expose-headers", EXPOSED_HEADERS)]


def _grant_headers(cors: CorsGrant) -> list[Header]:
    headers = [(b"access-control-allow-origin", cors.allow_origin)]
    if cors.credentials:
        headers.append((b"access-control-allow-credentials", b"true"))
    return headers
