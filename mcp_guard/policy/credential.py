"""What a request presents to be let in, as closed variants.

The text of a bearer token never gets here: it is turned into its digest on the spot. Variants without
fields are no tuples: two empty tuples are equal, and false.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from mcp_guard.policy.scopes import Grants


class TokenKind(Enum):
    """Together with which Origin a token counts."""

    BROWSER = "browser"
    """Only with an origin of its own client."""

    SERVER = "server"
    """Only without an Origin."""

    ANY = "any"
    """With and without; a leaked one works from everywhere, hence warned about."""


class TokenRecord(NamedTuple):
    """One secret of a token as the snapshot holds it. Times are epoch seconds; 0 says there is none."""

    token_id: int
    client_id: int
    client: str
    client_active: bool
    user_id: int | None
    user_active: bool
    kind: TokenKind
    endpoints: frozenset[str]
    grants: Grants
    not_before: float
    expires_at: float
    revoked: bool
    secret_id: int = 0


@dataclass(frozen=True, slots=True)
class NoCredential:
    """Nothing was presented."""


@dataclass(frozen=True, slots=True)
class MalformedCredential:
    """A carrier is there, but what it holds is no token."""


@dataclass(frozen=True, slots=True)
class AmbiguousCredential:
    """Two carriers were used at once (RFC 6750 section 2)."""


@dataclass(frozen=True, slots=True)
class QueryCredential:
    """A token stood in the query string, where logs and referrers keep it."""


class PresentedToken(NamedTuple):
    """A token text that was presented, as its SHA-256; not looked up yet."""

    digest: bytes
    well_formed: bool


class UnreadToken(NamedTuple):
    """A well-formed token that memory does not hold, where it does not hold all; by its SHA-256."""

    digest: bytes


@dataclass(frozen=True, slots=True)
class MistypedToken:
    """A token text without the form or the checksum of a token."""


@dataclass(frozen=True, slots=True)
class UnknownToken:
    """A well-formed token text that no row knows."""


class IssuedToken(NamedTuple):
    """A token text whose digest is stored; says nothing about its state."""

    record: TokenRecord


class UnreadSession(NamedTuple):
    """A session cookie whose session has not been read yet; ``key`` is its value."""

    key: str

    def __repr__(self) -> str:
        """Return a representation that may stand in a traceback: without the key."""
        return "UnreadSession(…)"


class LiveSession(NamedTuple):
    """A session that belongs to an active user."""

    key: str
    user_id: int

    def __repr__(self) -> str:
        """Return a representation that may stand in a traceback: without the key."""
        return "LiveSession(…)"


@dataclass(frozen=True, slots=True)
class DeadSession:
    """A session cookie without a live session, or a session without an active user."""


class UnreadTicket(NamedTuple):
    """A ticket that was presented and is not redeemed yet, by its SHA-256; ``key`` opens what it holds."""

    digest: bytes
    key: bytes

    def __repr__(self) -> str:
        """Return a representation that may stand in a traceback: without the key."""
        return "UnreadTicket(…)"


@dataclass(frozen=True, slots=True)
class UnusableTicket:
    """A ticket that was redeemed before, has expired, or was issued to another page or endpoint."""


@dataclass(frozen=True, slots=True)
class LiveNonce:
    """The nonce of this start of a local server."""


@dataclass(frozen=True, slots=True)
class WrongNonce:
    """Something that is not the nonce of this start."""


@dataclass(frozen=True, slots=True)
class MissingNonce:
    """No nonce, where nobody is let in without one."""


_WithoutToken = (
    NoCredential
    | MalformedCredential
    | AmbiguousCredential
    | QueryCredential
    | UnreadSession
    | LiveSession
    | DeadSession
    | UnreadTicket
    | UnusableTicket
    | LiveNonce
    | WrongNonce
    | MissingNonce
)

Presented = _WithoutToken | PresentedToken
"""What a request presents, before a token is looked up in the snapshot."""

Credential = _WithoutToken | MistypedToken | UnknownToken | UnreadToken | IssuedToken
"""What a request presents, after the look-up."""

NO_CREDENTIAL: Final = NoCredential()
MALFORMED_CREDENTIAL: Final = MalformedCredential()
AMBIGUOUS_CREDENTIAL: Final = AmbiguousCredential()
QUERY_CREDENTIAL: Final = QueryCredential()
MISTYPED_TOKEN: Final = MistypedToken()
UNKNOWN_TOKEN: Final = UnknownToken()
DEAD_SESSION: Final = DeadSession()
UNUSABLE_TICKET: Final = UnusableTicket()
LIVE_NONCE: Final = LiveNonce()
WRONG_NONCE: Final = WrongNonce()
MISSING_NONCE: Final = MissingNonce()

_QUERY_NAMES: Final = frozenset({"access_token", "token", "api_key", "apikey", "bearer", "authorization"})
_TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 9110 section 11.2
_TRIMMED: Final = b' \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0"'  # around a name, by one parser or another
_OFFERED: Final = b"mcp.auth."
_SESSION_KEY = re.compile(r"[A-Za-z0-9_:=-]{8,4096}")


def bearer_text(authorization: bytes) -> str | None:
    """Return the token text of an Authorization value, None when it is no bearer credential.

    The scheme is compared without case, one or more spaces follow it (RFC 6750 section 2.1, RFC 9110
    section 11.4), and nothing follows the token.
    """
    scheme, space, rest = authorization.partition(b" ")
    if not space or scheme.lower() != b"bearer":
        return None
    return token68(rest.lstrip(b" "))


def token68(value: bytes) -> str | None:
    """Return the value as text if it has the grammar of a token68, None otherwise."""
    try:
        text = value.decode("ascii")
    except UnicodeDecodeError:
        return None
    return text if _TOKEN68.fullmatch(text) else None


def query_has_token(query: bytes) -> bool:
    """Return whether a query string carries something that is meant as a token."""
    if not query:
        return False
    if b"mcpg_" in query:
        return True
    for part in query.replace(b";", b"&").split(b"&"):
        name = part.partition(b"=")[0]
        if _decoded(name).lower() in _QUERY_NAMES:
            return True
    return b"%" in query and "mcpg_" in _decoded(query)


def offered_token(offered: bytes) -> str | None:
    """Return the token among offered subprotocols: ``mcp.auth.`` and the token in base64url (RFC 4648).

    None when there is none. Empty is no token: so comes one that is doubled, escaped or not in its one
    unpadded form.
    """
    found = [name.strip(b" \t") for name in offered.split(b",") if offers_token(name)]
    if not found:
        return None
    if len(found) > 1:
        return ""
    encoded = found[0].removeprefix(_OFFERED)
    try:
        text = base64.urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4))
    except ValueError:
        return ""
    if base64.urlsafe_b64encode(text).rstrip(b"=") != encoded:
        return ""
    token = token68(text)
    return "" if token is None else token


def offers_token(name: bytes) -> bool:
    """Return whether an offered subprotocol is meant as a token, however it is spaced or escaped."""
    return _decoded(name).lower().startswith(_OFFERED.decode())


def without_offered_token(offered: bytes) -> bytes:
    """Return a list of offered subprotocols without the tokens in it."""
    if not any(map(offers_token, offered.split(b","))):
        return offered
    return b", ".join(name.strip(b" \t") for name in offered.split(b",") if not offers_token(name))


def query_value(query: bytes, name: str) -> bytes | None:
    """Return the value of a parameter of a query string, None when it is absent.

    Empty is no value that a credential has: so comes one that is doubled or whose name is escaped, since
    parsers would differ on what it says.
    """
    found = [part.partition(b"=") for part in query.replace(b";", b"&").split(b"&")]
    values = [(key, value) for key, _, value in found if _decoded(key).lower() == name]
    if not values:
        return None
    return values[0][1] if len(values) == 1 and values[0][0] == name.encode() else b""


def without_parameter(query: bytes, name: str) -> bytes:
    """Return a query string without the parameters of this name, however it is written."""
    return b"&".join(
        part
        for part in query.replace(b";", b"&").split(b"&")
        if _decoded(part.partition(b"=")[0]).lower() != name
    )


def session_key(cookie: bytes, name: bytes) -> str | None:
    """Return the value of the session cookie; None when it is absent, empty, doubled or odd.

    Only spaces and tabs around a pair are dropped (RFC 6265 section 4.2.1). A name that another parser
    would trim to this one counts as the same, so that no two parsers read different sessions.
    """
    found = [pair for pair in cookie_pairs(cookie) if pair[0].strip(_TRIMMED) == name]
    if len(found) != 1 or found[0][0] != name:
        return None
    text = found[0][1].decode("latin-1")
    return text if _SESSION_KEY.fullmatch(text) else None


def cookie_pairs(cookie: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and value of each pair of a Cookie header as they stand there."""
    for pair in cookie.split(b";"):
        name, equals, value = pair.strip(b" \t").partition(b"=")
        if equals:
            yield name, value


def without_cookies(cookie: bytes, names: frozenset[bytes]) -> bytes:
    """Return a Cookie header without the pairs of these names, however they are spaced or quoted."""
    kept = [
        pair.strip(b" \t")
        for pair in cookie.split(b";")
        if pair.partition(b"=")[0].strip(_TRIMMED) not in names
    ]
    return b"; ".join(pair for pair in kept if pair)


def _decoded(part: bytes) -> str:
    """Percent-decode as far as it takes to see a name; what stays odd is compared as it is."""
    return re.sub(
        r"%([0-9A-Fa-f]{2})", lambda m: chr(int(m[1], 16)), part.decode("latin-1").replace("+", " ")
    ).strip()
