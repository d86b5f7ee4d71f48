"""An endpoint: one guarded MCP surface, and the profile that says how it is exposed."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from mcp_guard.policy.limits import Limits

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Profile(Enum):
    """How an endpoint is exposed; everything else follows from it."""

    SAME_ORIGIN = "same-origin"
    """The site's own pages, with the session cookie."""

    PARTNER = "partner"
    """Known frontends on other origins, with a token or, where the origin's row says so, a cookie."""

    TOKEN = "token"  # noqa: S105 (the name of a profile, not a secret)
    """Third-party applications with a token; cookies never count."""

    BACKEND = "backend"
    """Callers that are no browsers; a request with an Origin is refused."""

    PUBLIC = "public"
    """Read-only and without authentication; a credential is never read."""

    LOCAL = "local"
    """An MCP server on the user's own machine: loopback only, with a token or the nonce of this start."""

    @property
    def reads_cookies(self) -> bool:
        """Whether a session cookie can be a credential here at all."""
        return self in (Profile.SAME_ORIGIN, Profile.PARTNER)


class MissingOrigin(Enum):
    """What a request without an Origin needs."""

    BEARER = "bearer"
    REFUSE = "refuse"


class Carrier(Enum):
    """How a WebSocket client may present its credential."""

    HEADER = "header"
    MESSAGE = "message"
    TICKET = "ticket"
    """In the query string: single use, good for seconds, bound to origin and endpoint."""

    SUBPROTOCOL = "subprotocol"
    """As ``mcp.auth.<base64url>`` among the offered subprotocols, where proxies may log it."""


WS_CREDENTIALS: Final = (Carrier.HEADER, Carrier.MESSAGE, Carrier.TICKET)
"""The carriers that a WebSocket's credential may have when nothing else is said."""


class AuditCalls(Enum):
    """What is recorded of each call of a tool."""

    OFF = "off"
    CALLS = "calls"
    """Who called which tool, how it ended and how long it took."""

    ARGUMENTS = "arguments"
    """Its arguments as well."""


class Messages(Enum):
    """What the body of a request is, and so what a grant is asked for."""

    MCP = "mcp"
    """One JSON-RPC message; the grant is for its method and for what that names."""

    HTTP = "http"
    """JSON of the application's own, which the gate does not read; the grant is for the HTTP method."""


METHODS: Final = {
    Messages.MCP: ("GET", "POST", "DELETE"),
    Messages.HTTP: ("GET", "POST", "PUT", "PATCH", "DELETE"),
}
"""What is answered when nothing else is said: for MCP what the revisions of Streamable HTTP use."""


@dataclass(frozen=True, slots=True)
class HostRules:
    """Which values of Host name this endpoint (RFC 9110 section 7.2).

    ``exact`` holds values with their port, ``names`` hosts that any port may follow, ``suffixes`` the
    part after a leading dot of names whose subdomains count too, as in Django's ``ALLOWED_HOSTS``.
    Empty means that no request is let in.
    """

    exact: frozenset[bytes] = frozenset()
    names: frozenset[bytes] = frozenset()
    suffixes: tuple[bytes, ...] = ()

    def accept(self, host: bytes) -> bool:
        """Return whether the value of a Host header names this endpoint."""
        if host in self.names or host in self.exact:
            return True
        name, colon, port = host.rpartition(b":")
        if not colon:
            name = host
        elif not _is_port(port):  # nor is what follows the last colon of a bare IPv6 address
            return False
        return name in self.names or self._is_subdomain(name)

    def accept_with_port(self, host: bytes, port: int) -> bool:
        """Return whether the value names this endpoint with its port: one of ``exact``, or ``port``."""
        name, _, said = host.rpartition(b":")
        return host in self.exact or (name in self.names and said == str(port).encode())

    def _is_subdomain(self, name: bytes) -> bool:
        if not name.endswith(self.suffixes):
            return False
        return all(0x61 <= b <= 0x7A or 0x30 <= b <= 0x39 or b in b"-." for b in name) and (
            b".." not in name and not name.startswith((b".", b"-"))
        )


def _is_port(port: bytes) -> bool:
    return port.isdigit() and port[0] != 0x30 and len(port) <= 5 and int(port) <= 65535


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What the settings say about one endpoint; the rows about it are in the snapshot."""

    name: str
    profile: Profile
    hosts: HostRules
    messages: Messages = Messages.MCP
    methods: tuple[str, ...] = METHODS[Messages.MCP]
    missing_origin_http: MissingOrigin = MissingOrigin.BEARER
    missing_origin_ws: MissingOrigin = MissingOrigin.REFUSE
    any_origin: bool = False
    ws_credentials: frozenset[Carrier] = frozenset(WS_CREDENTIALS)
    token_every_message: bool = False
    token_header: bytes | None = None
    public_scopes: tuple[str, ...] = ()
    local_scopes: tuple[str, ...] = ()
    """What whoever presents the nonce may do."""

    nonce_query: bool = False
    """Whether the nonce may stand in the URL of a WebSocket."""

    require_nonce: bool = False
    """Whether the nonce lets nobody in by itself, and nobody is let in without it."""

    forward_authorization: bool = False
    require_tls: bool = False
    report_only_until: float = 0.0
    """Until when the setting softens the allowlist, in seconds since the epoch; 0 is never."""

    session_cookie: bytes = b"sessionid"
    stripped_cookies: frozenset[bytes] = frozenset({b"sessionid", b"csrftoken"})
    trusted_proxies: tuple[Network, ...] = ()
    root_paths: frozenset[str] = frozenset({""})
    extra_headers: tuple[str, ...] = ()
    """Further request headers that a preflight grants, in lower case."""

    limits: Limits = field(default_factory=Limits)
    audit_calls: AuditCalls = AuditCalls.OFF

    credential_headers: frozenset[bytes] = field(init=False, compare=False)
    """Headers that carry a token which the application behind the gate must not see."""

    judges_messages: bool = field(init=False, compare=False)
    """Whether a body is judged as a message of MCP."""

    def __post_init__(self) -> None:
        carriers = {b"x-mcp-nonce"}  # that of another endpoint, perhaps
        if not self.forward_authorization:
            carriers.add(b"authorization")
        if self.token_header is not None:
            carriers.add(self.token_header)
        object.__setattr__(self, "credential_headers", frozenset(carriers - {b"cookie"}))
        object.__setattr__(self, "judges_messages", self.messages is Messages.MCP)

    @property
    def opens_to_all_origins(self) -> bool:
        """Whether the allowlist is not asked; the CORS answer is then ``*`` without credentials."""
        return self.profile is Profile.PUBLIC or self.any_origin

    @property
    def ignores_credentials(self) -> bool:
        """Whether what a request presents is not read: nobody is authenticated here by the gate."""
        return self.profile is Profile.PUBLIC or self.forward_authorization

    @property
    def issues_tickets(self) -> bool:
        """Whether a POST to its mount plus ``/ticket`` gets a ticket for a WebSocket."""
        return (
            Carrier.TICKET in self.ws_credentials
            and self.messages is Messages.MCP
            and not self.ignores_credentials
        )
