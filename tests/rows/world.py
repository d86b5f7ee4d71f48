"""The policy under which the table is played: clients, origins, tokens, users and sessions.

Moments are in seconds from now. Token texts are fixed, so that a server in another process knows them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final

from mcp_guard import tokens
from tests.rows.configurations import DAY, ENDPOINTS

EVERYWHERE: Final = tuple(name for name in ENDPOINTS if name != "elsewhere")


@dataclass(frozen=True)
class User:
    name: str
    active: bool = True


@dataclass(frozen=True)
class Client:
    name: str
    scopes: tuple[str, ...] = ()
    active: bool = True


@dataclass(frozen=True)
class Origin:
    url: str
    client: Client
    endpoints: tuple[str, ...] = EVERYWHERE
    cookies: bool = False
    active: bool = True
    expires: int | None = None


@dataclass(frozen=True)
class Token:
    """``secret_expires`` says when this text ends that a rotation has replaced."""

    name: str
    client: Client
    kind: str = "server"
    user: User | None = None
    endpoints: tuple[str, ...] = EVERYWHERE
    scopes: tuple[str, ...] = ("reading",)
    not_before: int | None = None
    expires: int = DAY
    secret_expires: int | None = None
    revoked: bool = False
    text: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", fixed_text(self.name))


@dataclass(frozen=True)
class Session:
    """A session cookie. ``user`` is None where the store has no such session."""

    key: str
    user: User | None
    is_stale: bool = False


@dataclass(frozen=True)
class Ticket:
    """A ticket that nobody has redeemed yet. ``held`` is what it was asked for with, ``origin`` the page.

    A text that is held is a nonce.
    """

    name: str
    held: Token | Session | str
    origin: Origin | None
    endpoint: str = "partner"
    expires: int = 20
    text: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", "mcpt_" + hashlib.sha256(self.name.encode()).hexdigest()[:43])


def fixed_text(name: str) -> str:
    """Return a well-formed token text that is the same in every process."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest())
    body = tokens.PREFIX + tokens._base62(number, tokens.SECRET_LENGTH)
    return body + tokens._checksum(body)


SCOPES: Final = {
    "reading": ["tools/call:read_note", "resources/read:note://public/docs/*", "prompts/get:summary"],
    "writing": [
        "tools/call:write_note",
        "logging/setLevel",
        "completion/complete",
        "subscriptions/listen",
        "resources/subscribe:note://public/docs/*",
    ],
    "guest": ["tools/call:read_note"],
    "http-reading": ["http:GET"],
    "http-writing": ["http:POST", "http:PATCH"],
}

ADA: Final = User("ada")
EVE: Final = User("eve")
BOB: Final = User("bob", active=False)
USERS: Final = (ADA, EVE, BOB)

ACME: Final = Client("acme", scopes=("reading", "http-reading"))
INITECH: Final = Client("initech")
GLOBEX: Final = Client("globex", scopes=("reading",), active=False)
LEAVING: Final = Client("leaving", scopes=("reading",))
"""A client that is disabled, revoked, unlisted and logged out while sockets of it are open."""

CLIENTS: Final = (ACME, INITECH, GLOBEX, LEAVING)

APP: Final = Origin("https://app.acme.example", ACME, cookies=True)
PLAIN: Final = Origin("https://plain.acme.example", ACME)
PORT: Final = Origin("https://acme.example:8443", ACME)
V6: Final = Origin("http://[2001:db8::1]:8080", ACME)
LIMITED: Final = Origin("https://limited.acme.example", ACME, cookies=True, expires=3600)
EXPIRED_LISTING: Final = Origin("https://expired.acme.example", ACME, cookies=True, expires=-60)
SWITCHED_OFF: Final = Origin("https://off.acme.example", ACME, cookies=True, active=False)
OF_DISABLED: Final = Origin("https://app.globex.example", GLOBEX, cookies=True)
OF_INITECH: Final = Origin("https://app.initech.example", INITECH, cookies=True)
ELSEWHERE: Final = Origin("https://elsewhere.acme.example", ACME, ("elsewhere",), cookies=True)
NOWHERE: Final = Origin("https://nowhere.acme.example", ACME, (), cookies=True)
LEAVING_ORIGIN: Final = Origin("https://leaving.example", LEAVING, cookies=True)
STAYING_ORIGIN: Final = Origin("https://staying.example", LEAVING, cookies=True)
TOOL_PAGE: Final = Origin(
    "http://localhost:3000", ACME, ("local", "local-bare", "local-strict", "local-query"), cookies=True
)
OWN: Final = Origin("http://api.example.com", ACME, ("portal", "portal-report", "partner"), cookies=True)
OWN_TLS: Final = Origin("https://api.example.com", ACME, ("portal", "portal-agents"))
ORIGINS: Final = (
    APP, PLAIN, PORT, V6, LIMITED, EXPIRED_LISTING, SWITCHED_OFF, OF_DISABLED, OF_INITECH, ELSEWHERE, NOWHERE,
    LEAVING_ORIGIN, STAYING_ORIGIN, TOOL_PAGE, OWN, OWN_TLS,
)  # fmt: skip

NONCE: Final = hashlib.sha256(b"nonce").hexdigest()
"""The nonce of the local endpoints while the table is played."""

OLD_NONCE: Final = hashlib.sha256(b"an earlier nonce").hexdigest()

UNLISTED: Final = "https://evil.example"

SERVER: Final = Token("server", ACME)
BROWSER: Final = Token("browser", ACME, "browser")
ANY: Final = Token("any", ACME, "any")
ADAS: Final = Token("adas", ACME, "any", ADA)
BOBS: Final = Token("bobs", ACME, "any", BOB)
WRITER: Final = Token("writer", ACME, "any", scopes=("reading", "writing"))
HTTP_READER: Final = Token("http-reader", ACME, "any", scopes=("http-reading",))
HTTP_WRITER: Final = Token("http-writer", ACME, "any", scopes=("http-writing",))
LEAVING_TOKEN: Final = Token("leaving-token", LEAVING, "any")
STAYING_TOKEN: Final = Token("staying-token", LEAVING, "any")
SCOPELESS: Final = Token("scopeless", ACME, scopes=())
EXPIRED: Final = Token("expired", ACME, "any", expires=-60)
FUTURE: Final = Token("future", ACME, "any", not_before=3600)
BEGUN: Final = Token("begun", ACME, not_before=-60)
REVOKED: Final = Token("revoked", ACME, "any", revoked=True)
DISABLED: Final = Token("disabled", GLOBEX, "any")
AWAY: Final = Token("away", ACME, "any", endpoints=("elsewhere",))
NOWHERES: Final = Token("nowheres", ACME, "any", endpoints=())
ROTATED_OUT: Final = Token("rotated-out", ACME, "any", secret_expires=-60)
OVERLAPPING: Final = Token("overlapping", ACME, secret_expires=3600)
OF_OTHER_CLIENT: Final = Token("of-other-client", INITECH, "browser")
TOKENS: Final = (
    SERVER, BROWSER, ANY, ADAS, BOBS, WRITER, SCOPELESS, EXPIRED, FUTURE, BEGUN, REVOKED, DISABLED, AWAY,
    NOWHERES, ROTATED_OUT, OVERLAPPING, OF_OTHER_CLIENT, HTTP_READER, HTTP_WRITER,
    LEAVING_TOKEN, STAYING_TOKEN,
)  # fmt: skip

UNKNOWN_TEXT: Final = fixed_text("of no row")
MISTYPED_TEXT: Final = SERVER.text[:-1] + ("a" if SERVER.text[-1] != "a" else "b")

ADAS_SESSION: Final = Session("adasession0123456789abcdefghijkl", ADA)
EVES_SESSION: Final = Session("evesession0123456789abcdefghijkl", EVE)
BOBS_SESSION: Final = Session("bobsession0123456789abcdefghijkl", BOB)
STALE_SESSION: Final = Session("oldsession0123456789abcdefghijkl", ADA, is_stale=True)
NO_SESSION: Final = Session("nosession00123456789abcdefghijkl", None)
LEAVING_SESSION: Final = Session("leavingsession3456789abcdefghijk", EVE)
SESSIONS: Final = (LEAVING_SESSION, ADAS_SESSION, EVES_SESSION, BOBS_SESSION, STALE_SESSION, NO_SESSION)

ANYS_TICKET: Final = Ticket("any's", ANY, PLAIN)
BROWSERS_TICKET: Final = Ticket("browser's", BROWSER, PLAIN)
ADAS_TICKET: Final = Ticket("ada's token's", ADAS, PLAIN)
SESSIONS_TICKET: Final = Ticket("ada's session's", ADAS_SESSION, APP)
PLAIN_SESSIONS_TICKET: Final = Ticket("ada's session's where cookies do not count", ADAS_SESSION, PLAIN)
STALE_SESSIONS_TICKET: Final = Ticket("an ended session's", STALE_SESSION, APP)
REVOKEDS_TICKET: Final = Ticket("a revoked token's", REVOKED, PLAIN)
OTHER_CLIENTS_TICKET: Final = Ticket("another client's", OF_OTHER_CLIENT, PLAIN)
EXPIRED_TICKET: Final = Ticket("expired", ANY, PLAIN, expires=-1)
TICKET_FOR_ELSEWHERE: Final = Ticket("for elsewhere", ANY, PLAIN, "elsewhere")
AGENTS_TICKET: Final = Ticket("an agent's", SERVER, None, "partner-agents")
PAGES_TICKET: Final = Ticket("a page's", ANY, PLAIN, "partner-agents")
HEADERS_TICKET: Final = Ticket("where only headers count", ANY, PLAIN, "partner-header")
EVERYS_TICKET: Final = Ticket("where every message has a token", ANY, PLAIN, "partner-every")
GUESTS_TICKET: Final = Ticket("an ended session's where guests come", STALE_SESSION, APP, "partner-guests")
OFFERS_TICKET: Final = Ticket("where subprotocols count", ANY, PLAIN, "partner-offers")
NONCES_TICKET: Final = Ticket("the nonce's", NONCE, TOOL_PAGE, "local")
OLD_NONCES_TICKET: Final = Ticket("an earlier nonce's", OLD_NONCE, TOOL_PAGE, "local")
PUBLICS_TICKET: Final = Ticket("where nothing is read", ANY, PLAIN, "public")
UNKNOWN_TICKET: Final = Ticket("of no row", ANY, PLAIN)
TICKETS: Final = (
    ANYS_TICKET, BROWSERS_TICKET, ADAS_TICKET, SESSIONS_TICKET, PLAIN_SESSIONS_TICKET, STALE_SESSIONS_TICKET,
    REVOKEDS_TICKET, OTHER_CLIENTS_TICKET, EXPIRED_TICKET, TICKET_FOR_ELSEWHERE, AGENTS_TICKET, PAGES_TICKET,
    HEADERS_TICKET, EVERYS_TICKET, PUBLICS_TICKET, GUESTS_TICKET,
    OFFERS_TICKET, NONCES_TICKET, OLD_NONCES_TICKET,
)  # fmt: skip
