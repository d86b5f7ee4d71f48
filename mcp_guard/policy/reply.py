"""What the outside learns of a decision: status, headers, body, close code.

All token failures get one and the same answer. Policy answers with 401, 403, 421, 429 and 503 alone:
MCP clients take 400, 404 and 405 for an older server and fall back to another protocol.
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

RETRY_SECONDS: Final = 5
"""Retry-After of an answer that the gate could not give for want of a fresh policy."""

REFUSAL_CODE: Final = -32600
"""JSON-RPC code of a refusal: the reserved range of the specification has none for policy."""

_PREFLIGHT_VARY = b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"


class Reply(NamedTuple):
    """A whole HTTP answer."""

    status: int
    headers: list[Header]
    body: bytes


def status(reason: Reason) -> int:
    """Return the HTTP status of a refusal."""
    match reason:
        case Reason.HEAD_MALFORMED | Reason.CREDENTIAL_AMBIGUOUS | Reason.MESSAGE_MALFORMED:
            return 400
        case Reason.HOST_NOT_ALLOWED:
            return 421
        case (
            Reason.TLS_REQUIRED
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
        case Reason.POLICY_TOO_OLD | Reason.STORE_UNREADABLE | Reason.GUARD_MISSING:
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
            return {400: 4400, 401: 4401, 413: 4413, 503: 4503}.get(status(reason), 4403)


def message(reason: Reason) -> str:
    """Return what a refused party is told; the exact reason stays with the administrator."""
    match reason:
        case Reason.HOST_NOT_ALLOWED:
            return "Host not allowed"
        case Reason.TLS_REQUIRED:
            return "TLS required"
        case Reason.CREDENTIAL_MISSING | Reason.AUTHENTICATION_TIMEOUT:
            return "Authentication required"
        case Reason.SCOPE_INSUFFICIENT:
            return "Insufficient scope"
        case Reason.METHOD_NOT_ALLOWED:
            return "Method not allowed"
        case Reason.CONTENT_TYPE | Reason.CONTENT_ENCODING:
            return "Content-Type must be application/json in UTF-8, without encoding"
        case Reason.MESSAGE_MALFORMED:
            return "Not one valid JSON-RPC message"
        case _:
            return _MESSAGES[status(reason)]


_MESSAGES: Final = {
    400: "Malformed request",
    401: "Invalid token",
    403: "Origin not allowed",
    413: "Too large",
    415: "Text messages only",
    503: "Policy not available",
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
    if code == 503:
        headers.append((b"retry-after", str(RETRY_SECONDS).encode()))
    if code == 405 and endpoint is not None:
        headers.append((b"allow", ", ".join((*endpoint.methods, "OPTIONS")).encode()))
    return Reply(code, headers, body)


def error_text(refused: Refused, correlation_id: str) -> str:
    """Return the JSON-RPC error that says so: to the request where one was read, else to none.

    Some clients show the message and nothing else of it, so that names the missing grant.
    """
    fault = refused.fault or Fault(REFUSAL_CODE, message(refused.reason))
    data = {"correlation_id": correlation_id}
    grant = _grantable(refused)
    if grant:
        data["scope"] = grant
        fault = fault._replace(text=f"{fault.text}: {grant} is needed")
    error = {"code": fault.code, "message": fault.text, "data": data}
    return json.dumps({"jsonrpc": "2.0", "id": refused.request_id, "error": error})


def challenge(refused: Refused) -> bytes:
    """Return the value of WWW-Authenticate (RFC 6750 section 3; no error when nothing was presented)."""
    if refused.reason is Reason.SCOPE_INSUFFICIENT:
        scope = b', scope="' + _scope_value(_grantable(refused)) + b'"' if _grantable(refused) else b""
        return b'Bearer realm="mcp", error="insufficient_scope"' + scope
    if refused.reason in (Reason.CREDENTIAL_MISSING, Reason.AUTHENTICATION_TIMEOUT):
        return b'Bearer realm="mcp"'
    return b'Bearer realm="mcp", error="invalid_token"'


def _grantable(refused: Refused) -> str:
    """Return the grant that is missing; empty for a name too long for one, which nobody echoes."""
    grant = "" if refused.operation is None else refused.operation.grant
    return grant if len(grant) <= MAX_LENGTH else ""


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
