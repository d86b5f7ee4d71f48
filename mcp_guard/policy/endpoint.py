"""An endpoint: one guarded MCP surface, and the profile that says how it is exposed."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

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

    def _is_subdomain(self, name: bytes) -> bool:
        if not name.endswith(self.suffixes):
            return False
        return all(0x61 <= b <= 0x7A or 0x30 <= b <= 0x39 or b in b"-." for b in name) and (
            b".." not in name and not name.startswith((b".", b"-"))
        )


def _is_port(port: bytes) -> bool:
    return port.isdigit() and port[0] != 0x30 and len(port) <= 5 and int(port) <= 65535


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one endpoint."""

    body_bytes: int = 4 * 1024 * 1024
    """Largest body of a POST, in bytes."""

    message_bytes: int = 64 * 1024
    """Largest WebSocket message, in bytes of UTF-8."""

    first_message_seconds: float = 5.0
    """How long an accepted socket may stay without a credential, in seconds."""


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
    ws_credentials: frozenset[Carrier] = frozenset({Carrier.HEADER, Carrier.MESSAGE})
    token_every_message: bool = False
    token_header: bytes | None = None
    public_scopes: tuple[str, ...] = ()
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

    @property
    def opens_to_all_origins(self) -> bool:
        """Whether the allowlist is not asked; the CORS answer is then ``*`` without credentials."""
        return self.profile is Profile.PUBLIC or self.any_origin

    @property
    def ignores_credentials(self) -> bool:
        """Whether what a request presents is not read: nobody is authenticated here by the gate."""
        return self.profile is Profile.PUBLIC or self.forward_authorization
