"""What must come of a row, the whole of it.

Statuses, reasons, header names and messages are typed anew here, so that a slip in the code cannot cancel
out with itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tests.rows.world import Origin, Token, User

Answer = dict[str, str]
"""Header names in lower case to values: of those that matter, exactly these."""

ACCESS_CONTROL: Final = "access-control-"
RELEVANT: Final = frozenset(
    {"vary", "cache-control", "www-authenticate", "allow", "retry-after", "set-cookie", "location"}
)
"""Answer headers that have to be as the row says and, where it is silent, absent."""


@dataclass(frozen=True)
class Who:
    """Whom an admitted exchange acts for; all empty is the anonymous principal."""

    client: str = ""
    user: str | None = None
    token: str | None = None


NOBODY: Final = Who()


@dataclass(frozen=True)
class Admits:
    """The protected code runs once, for this principal, and its 200 carries these headers."""

    who: Who
    answer: Answer
    would_refuse: str | None = None
    forwards_authorization: bool = False


@dataclass(frozen=True)
class Grants:
    """A preflight is granted with 204, without the protected code."""

    answer: Answer


@dataclass(frozen=True)
class Refuses:
    """The protected code does not run; ``reason`` is private, ``answer`` is what the outside sees."""

    status: int
    reason: str
    answer: Answer


@dataclass(frozen=True)
class RefusesHandshake:
    """The socket is never accepted: the server answers 403 whatever the code is."""

    reason: str
    code: int


@dataclass(frozen=True)
class Opens:
    """The socket is accepted. ``runs`` are the methods that reach the protected code, in order.

    ``who`` is the principal at the end, None when nobody ever was authenticated. ``errors`` are the
    grants that answered JSON-RPC errors name. ``closes`` is the reason and the code of the end, None when
    the client has to end it.
    """

    who: Who | None
    runs: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    closes: tuple[str, int] | None = None
    subprotocol: str | None = None
    awaits_message: bool = False


# answers


ANONYMOUS: Final[Answer] = {"vary": "Origin"}
PRIVATE: Final[Answer] = {"vary": "Origin", "cache-control": "private"}
REFUSED: Final[Answer] = {"vary": "Origin", "cache-control": "no-store"}
CHALLENGED: Final[Answer] = REFUSED | {"www-authenticate": 'Bearer realm="mcp"'}
INVALID_TOKEN: Final[Answer] = REFUSED | {"www-authenticate": 'Bearer realm="mcp", error="invalid_token"'}
UNAVAILABLE: Final[Answer] = REFUSED | {"retry-after": "5"}

OF_BOUNDS: Final = {
    "body_too_slow": (408, 4408),
    "failures_too_many": (429, 4429),
    "sockets_too_many": (429, 4429),
    "sockets_of_address": (429, 4429),
    "sockets_of_principal": (429, 4429),
    "streams_of_principal": (429, 4429),
    "calls_of_principal": (429, 4429),
    "call_too_large": (429, 4429),
    "messages_too_fast": (429, 4429),
    "call_too_long": (504, 4408),
    "socket_idle": (408, 4408),
    "socket_too_old": (408, 4408),
    "peer_not_reading": (408, 4408),
}
"""Status and close code of what goes beyond a bound; no decision about a head says so."""

_EXPOSED: Final = "Mcp-Session-Id, MCP-Protocol-Version, WWW-Authenticate, Retry-After"
_CREDENTIALS: Final = {"access-control-allow-credentials": "true"}

ALLOWED_METHODS: Final = "GET, POST, DELETE, OPTIONS"
ALLOWED_HEADERS: Final = (
    "accept, authorization, content-type, last-event-id, mcp-method, mcp-name, mcp-protocol-version, "
    "mcp-session-id"
)


def page(of: Origin | str) -> Answer:
    """Return what lets a page read an answer."""
    url = of if isinstance(of, str) else of.url
    return {"access-control-allow-origin": url, "access-control-expose-headers": _EXPOSED}


def page_with_cookies(of: Origin) -> Answer:
    """Return what lets a page read an answer to a request with cookies."""
    return page(of) | _CREDENTIALS


def insufficient_scope(grant: str) -> Answer:
    """Return the challenge that names the grant that is missing."""
    return REFUSED | {"www-authenticate": f'Bearer realm="mcp", error="insufficient_scope", scope="{grant}"'}


def lists(
    of: Origin | str,
    *,
    cookies: bool = False,
    methods: str = ALLOWED_METHODS,
    headers: str = ALLOWED_HEADERS,
) -> Answer:
    """Return the answer to a preflight: the true lists, whatever was asked for."""
    return {
        "vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
        "access-control-allow-origin": of if isinstance(of, str) else of.url,
        "access-control-allow-methods": methods,
        "access-control-allow-headers": headers,
        "access-control-max-age": "600",
    } | (_CREDENTIALS if cookies else {})


NO_LISTS: Final[Answer] = {"vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"}
"""The answer to a preflight where the profile has no CORS."""


# outcomes


def admits(token: Token, of_page: Answer | None = None) -> Admits:
    """Return that the request is let in by a token, for its client and user."""
    user = None if token.user is None else token.user.name
    return Admits(Who(token.client.name, user, token.name), PRIVATE | (of_page or {}))


def would_refuse(token: Token, of_page: Answer | None = None) -> Admits:
    """Return that report-only lets the request in by a token."""
    admitted = admits(token, of_page)
    return Admits(admitted.who, admitted.answer, "origin_not_listed")


def acts_for(user: User, of_page: Answer | None = None) -> Admits:
    """Return that the request is let in by a session of this user, from a page of acme."""
    return Admits(Who("acme", user.name), PRIVATE | (of_page or {}))


def anybody(of_page: Answer | None = None) -> Admits:
    """Return that the request is let in for the anonymous principal."""
    return Admits(NOBODY, ANONYMOUS | (of_page or {}))


def delegated(of_page: Answer | None = None) -> Admits:
    """Return that the request is let in with its Authorization, which the inner application judges."""
    return Admits(NOBODY, PRIVATE | (of_page or {}), forwards_authorization=True)


def unknown_caller(of_page: Answer | None = None) -> Refuses:
    """Return that nothing was presented."""
    return Refuses(401, "credential_missing", CHALLENGED | (of_page or {}))


def invalid(reason: str, of_page: Answer | None = None) -> Refuses:
    """Return that what was presented does not count: one answer for all reasons."""
    return Refuses(401, reason, INVALID_TOKEN | (of_page or {}))


def forbidden(reason: str) -> Refuses:
    """Return that the page is not let in; it learns nothing."""
    return Refuses(403, reason, REFUSED)


def lacks(grant: str, of_page: Answer | None = None) -> Refuses:
    """Return that a grant is missing."""
    return Refuses(403, "scope_insufficient", insufficient_scope(grant) | (of_page or {}))


MESSAGES: Final = {
    "head_malformed": "Malformed request",
    "host_not_allowed": "Host not allowed",
    "tls_required": "TLS required",
    "websocket_version": "Origin not allowed",
    "websocket_not_expected": "Origin not allowed",
    "subprotocol_not_offered": "Origin not allowed",
    "origin_malformed": "Origin not allowed",
    "origin_null": "Origin not allowed",
    "origin_not_listed": "Origin not allowed",
    "origin_not_expected": "Origin not allowed",
    "origin_missing": "Origin not allowed",
    "fetch_site_foreign": "Origin not allowed",
    "credential_missing": "Authentication required",
    "credential_malformed": "Invalid token",
    "credential_ambiguous": "Malformed request",
    "token_in_query": "Invalid token",
    "token_mistyped": "Invalid token",
    "token_unknown": "Invalid token",
    "token_revoked": "Invalid token",
    "token_not_yet_valid": "Invalid token",
    "token_expired": "Invalid token",
    "token_user_inactive": "Invalid token",
    "token_client_disabled": "Invalid token",
    "token_wrong_endpoint": "Invalid token",
    "token_wrong_kind": "Invalid token",
    "peer_not_local": "Origin not allowed",
    "nonce_missing": "Authentication required",
    "nonce_wrong": "Invalid token",
    "ticket_unusable": "Invalid token",
    "tickets_exhausted": "Too many requests",
    "principal_changed": "Invalid token",
    "method_not_allowed": "Method not allowed",
    "content_type": "Content-Type must be application/json in UTF-8, without encoding",
    "content_encoding": "Content-Type must be application/json in UTF-8, without encoding",
    "body_too_large": "Too large",
    "message_malformed": "Not one valid JSON-RPC message",
    "headers_disagree": "Headers and message disagree",
    "message_not_text": "Text messages only",
    "message_too_large": "Too large",
    "authentication_timeout": "Authentication required",
    "scope_insufficient": "Insufficient scope",
    "list_unreadable": "The list could not be read",
    "body_too_slow": "Timed out",
    "failures_too_many": "Too many requests",
    "sockets_too_many": "Too many requests",
    "sockets_of_address": "Too many requests",
    "sockets_of_principal": "Too many requests",
    "streams_of_principal": "Too many requests",
    "calls_of_principal": "Too many requests",
    "call_too_large": "Too many requests",
    "messages_too_fast": "Too many requests",
    "call_too_long": "The call took too long",
    "socket_idle": "Timed out",
    "socket_too_old": "Timed out",
    "peer_not_reading": "Timed out",
    "policy_too_old": "Policy not available",
    "store_unreadable": "Policy not available",
    "guard_missing": "Policy not available",
    "server_unknown": "Server not available",
    "server_disabled": "Server not available",
    "server_not_approved": "Server not available",
    "server_unusable": "Server not available",
}
"""What a refused party is told, by the private reason."""
