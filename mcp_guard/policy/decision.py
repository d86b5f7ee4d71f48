"""The outcomes of a decision, as values.

A refusal carries its exact private reason; what the outside learns of it is in ``policy.reply``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from mcp_guard.policy.scopes import NO_GRANTS, Grants, Operation


class Reason(Enum):
    """Why a request is refused; the closed list that audit, status and documentation use."""

    HEAD_MALFORMED = "head_malformed"
    HOST_NOT_ALLOWED = "host_not_allowed"
    PEER_NOT_LOCAL = "peer_not_local"
    TLS_REQUIRED = "tls_required"
    WEBSOCKET_VERSION = "websocket_version"
    WEBSOCKET_NOT_EXPECTED = "websocket_not_expected"
    SUBPROTOCOL_NOT_OFFERED = "subprotocol_not_offered"
    ORIGIN_MALFORMED = "origin_malformed"
    ORIGIN_NULL = "origin_null"
    ORIGIN_NOT_LISTED = "origin_not_listed"
    ORIGIN_NOT_EXPECTED = "origin_not_expected"
    ORIGIN_MISSING = "origin_missing"
    FETCH_SITE_FOREIGN = "fetch_site_foreign"
    CREDENTIAL_MISSING = "credential_missing"
    CREDENTIAL_MALFORMED = "credential_malformed"
    CREDENTIAL_AMBIGUOUS = "credential_ambiguous"
    TOKEN_IN_QUERY = "token_in_query"  # noqa: S105 (a reason, not a secret)
    TOKEN_MISTYPED = "token_mistyped"  # noqa: S105
    TOKEN_UNKNOWN = "token_unknown"  # noqa: S105
    TOKEN_REVOKED = "token_revoked"  # noqa: S105
    TOKEN_NOT_YET_VALID = "token_not_yet_valid"  # noqa: S105
    TOKEN_EXPIRED = "token_expired"  # noqa: S105
    TOKEN_USER_INACTIVE = "token_user_inactive"  # noqa: S105
    TOKEN_CLIENT_DISABLED = "token_client_disabled"  # noqa: S105
    TOKEN_WRONG_ENDPOINT = "token_wrong_endpoint"  # noqa: S105
    TOKEN_WRONG_KIND = "token_wrong_kind"  # noqa: S105
    NONCE_MISSING = "nonce_missing"
    NONCE_WRONG = "nonce_wrong"
    TICKET_UNUSABLE = "ticket_unusable"
    TICKETS_EXHAUSTED = "tickets_exhausted"
    PRINCIPAL_CHANGED = "principal_changed"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    CONTENT_TYPE = "content_type"
    CONTENT_ENCODING = "content_encoding"
    BODY_TOO_LARGE = "body_too_large"
    MESSAGE_MALFORMED = "message_malformed"
    HEADERS_DISAGREE = "headers_disagree"
    MESSAGE_NOT_TEXT = "message_not_text"
    MESSAGE_TOO_LARGE = "message_too_large"
    AUTHENTICATION_TIMEOUT = "authentication_timeout"
    SCOPE_INSUFFICIENT = "scope_insufficient"
    LIST_UNREADABLE = "list_unreadable"
    BODY_TOO_SLOW = "body_too_slow"
    FAILURES_TOO_MANY = "failures_too_many"
    SOCKETS_TOO_MANY = "sockets_too_many"
    SOCKETS_OF_ADDRESS = "sockets_of_address"
    SOCKETS_OF_PRINCIPAL = "sockets_of_principal"
    STREAMS_OF_PRINCIPAL = "streams_of_principal"
    CALLS_OF_PRINCIPAL = "calls_of_principal"
    CALL_TOO_LARGE = "call_too_large"
    CALL_TOO_LONG = "call_too_long"
    MESSAGES_TOO_FAST = "messages_too_fast"
    SOCKET_IDLE = "socket_idle"
    SOCKET_TOO_OLD = "socket_too_old"
    PEER_NOT_READING = "peer_not_reading"
    POLICY_TOO_OLD = "policy_too_old"
    STORE_UNREADABLE = "store_unreadable"
    GUARD_MISSING = "guard_missing"
    SERVER_UNKNOWN = "server_unknown"
    SERVER_DISABLED = "server_disabled"
    SERVER_NOT_APPROVED = "server_not_approved"
    SERVER_UNUSABLE = "server_unusable"


LOCAL_CLIENT: Final = "(this machine)"
"""In place of a client's name, for whoever presented the nonce of a local endpoint."""


EACH_TIME: Final = float("-inf")
"""Until when a decision holds that has to be made anew each time."""

FOR_GOOD: Final = 0.0
"""Until when a decision holds that time does not change, as long as the policy is the same."""


class CorsGrant(NamedTuple):
    """What a page learns: the value of Access-Control-Allow-Origin, and whether cookies count."""

    allow_origin: bytes
    credentials: bool


class Principal(NamedTuple):
    """Who an admitted exchange acts for: a client and, with one, a Django user.

    ``client`` is empty for the anonymous principal of public endpoints; it is LOCAL_CLIENT, which has no id,
    for whoever presented the nonce of a local one. ``token_id`` says which token it came with; identity is
    ``client_id`` and ``user_id``, which outlive a rotation.
    """

    client_id: int | None = None
    client: str = ""
    user_id: int | None = None
    token_id: int | None = None
    grants: Grants = NO_GRANTS
    secret_id: int | None = None

    @property
    def identity(self) -> tuple[int | None, int | None]:
        """What stays the same when the token is rotated."""
        return (self.client_id, self.user_id)


class Admitted(NamedTuple):
    """Let in. ``until`` is when it has to be judged again, in seconds since the epoch, or FOR_GOOD.

    ``would_refuse`` says what report-only let pass. ``delegated`` means that the application behind the
    gate authenticates by itself, so no grant is asked for here.
    """

    principal: Principal
    cors: CorsGrant | None = None
    would_refuse: Reason | None = None
    until: float = FOR_GOOD
    delegated: bool = False


class PreflightGranted(NamedTuple):
    """A preflight's answer; ``cors`` is None where the profile has no CORS at all.

    ``until`` is when it has to be decided again, in seconds since the epoch, or FOR_GOOD.
    """

    cors: CorsGrant | None
    methods: tuple[str, ...]
    headers: tuple[str, ...]
    until: float = FOR_GOOD


class Fault(NamedTuple):
    """What is wrong with a message, in JSON-RPC's words: a code, and a text for whoever sent it."""

    code: int
    text: str


class Refused(NamedTuple):
    """Not let in. ``cors`` lets a listed page read why; ``operation`` is what lacked a grant.

    ``request_id`` is that of the JSON-RPC request where one was read, None elsewhere. ``fault`` is what a
    message was refused for. ``retry_after`` is after how many seconds it may be tried again, where that is
    known. ``until`` is when it has to be decided again, in seconds since the epoch, FOR_GOOD or EACH_TIME.
    """

    reason: Reason
    cors: CorsGrant | None = None
    operation: Operation | None = None
    request_id: str | int | None = None
    fault: Fault | None = None
    retry_after: int = 0
    until: float = EACH_TIME


class AwaitsSession(NamedTuple):
    """Nothing refuses it so far; whether it is let in depends on the session of this key."""

    key: str

    def __repr__(self) -> str:
        """Return a representation that may stand in a traceback: without the key."""
        return "AwaitsSession(…)"


class AwaitsToken(NamedTuple):
    """Nothing refuses it so far; whether it is let in depends on the token of this SHA-256."""

    digest: bytes


class AwaitsTicket(NamedTuple):
    """Nothing refuses it so far; whether it is let in depends on the ticket of this SHA-256.

    ``key`` opens what the ticket holds.
    """

    digest: bytes
    key: bytes

    def __repr__(self) -> str:
        """Return a representation that may stand in a traceback: without the key."""
        return "AwaitsTicket(…)"


@dataclass(frozen=True, slots=True)
class AwaitsMessage:
    """The handshake may be accepted; its first message has to carry the credential."""


Decision = Admitted | PreflightGranted | Refused | AwaitsSession | AwaitsToken | AwaitsTicket | AwaitsMessage
