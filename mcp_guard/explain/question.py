"""The request that is asked about: its head, and what the policy knows of each of its parts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final, NamedTuple

from mcp_guard import tokens, wire
from mcp_guard.conf.servers import PREFIX
from mcp_guard.explain.reasons import Step
from mcp_guard.models import AllowedOrigin
from mcp_guard.policy.credential import (
    AMBIGUOUS_CREDENTIAL,
    LIVE_NONCE,
    NO_CREDENTIAL,
    Presented,
    PresentedToken,
)
from mcp_guard.policy.decision import Reason
from mcp_guard.policy.endpoint import Carrier, Endpoint, Profile
from mcp_guard.policy.facts import Exchange, RequestHead
from mcp_guard.policy.origin import OriginError, canonical
from mcp_guard.policy.scopes import Operation
from mcp_guard.policy.snapshot import Snapshot
from mcp_guard.presented import present, present_text

PORT: Final = 8000
"""The port of a local server when nothing is said of it."""


class Door(Enum):
    """Where a request would come in."""

    REQUEST = "request"
    PREFLIGHT = "preflight"
    HANDSHAKE = "handshake"
    """A WebSocket that presents its token in the handshake."""

    MESSAGE = "message"
    """The first message of a WebSocket that presented nothing in its handshake."""

    @property
    def is_websocket(self) -> bool:
        """Whether it is a WebSocket's."""
        return self in (Door.HANDSHAKE, Door.MESSAGE)


class ShownToken(NamedTuple):
    """What is presented: a token text, and the SHA-256 under which it is looked up.

    Of an issued token nobody has the text any more. Any other text of the same form then stands in for it.
    """

    text: str
    digest: bytes

    def __repr__(self) -> str:
        """Return a representation that may stand in a traceback: without the text."""
        return "ShownToken(…)"

    @classmethod
    def of_text(cls, text: str) -> ShownToken:
        """Return what a text is."""
        return cls(text, tokens.digest(text))

    @classmethod
    def of_digest(cls, digest: bytes) -> ShownToken:
        """Return a token whose text is not known."""
        return cls(tokens.mint(), digest)


class Question(NamedTuple):
    """A request that nobody sent. ``host`` and ``method`` are None for the usual ones.

    It is asked as if it came over TLS, without cookies, and with a body of application/json. On a local
    endpoint it comes from this machine, to the port that ``host`` names. ``nonce`` says that it presents the
    nonce of the server that runs, which is not looked at.
    """

    endpoint: Endpoint
    origin: str | None = None
    token: ShownToken | None = None
    host: str | None = None
    method: str | None = None
    door: Door = Door.REQUEST
    operation: Operation | None = None
    nonce: bool = False

    def head(self) -> RequestHead:
        """Return the head, read like that of a request on the wire; for a message that of its handshake."""
        if self.door is Door.PREFLIGHT:
            return self.preflight()
        headers = [(b"host", self._host().encode())]
        if self.origin is not None:
            headers.append((b"origin", self.origin.encode()))
        if self.token is not None and self.door is not Door.MESSAGE:
            headers.append((b"authorization", b"Bearer " + self.token.text.encode()))
        if self.door.is_websocket:
            headers.append((b"sec-websocket-version", b"13"))
            return self._read("websocket", "GET", headers)
        return self._read("http", self._method(), [*headers, (b"content-type", b"application/json")])

    def message(self) -> RequestHead:
        """Return what the first message of a WebSocket is judged by."""
        return self.head()._replace(exchange=Exchange.MESSAGE)

    def presented(self) -> Presented:
        """Return what the head presents, as the doors find it there."""
        if not self.nonce:
            return self._looked_up(present(self.head(), self.endpoint))
        presented = present(self.head(), replace(self.endpoint, require_nonce=False))
        if self.endpoint.require_nonce or self.endpoint.profile is not Profile.LOCAL:
            return self._looked_up(presented)
        return LIVE_NONCE if presented == NO_CREDENTIAL else AMBIGUOUS_CREDENTIAL

    def presented_in_message(self) -> Presented | Reason:
        """Return what the first message presents, or why a message like it ends its socket."""
        endpoint = self.endpoint
        if self.token is None:
            is_due = endpoint.token_every_message and not endpoint.ignores_credentials
            return Reason.CREDENTIAL_MISSING if is_due else NO_CREDENTIAL
        if endpoint.ignores_credentials or Carrier.MESSAGE not in endpoint.ws_credentials:
            return Reason.CREDENTIAL_MALFORMED
        return self._looked_up(present_text(self.token.text))

    def _looked_up(self, presented: Presented) -> Presented:
        if self.token is None or not isinstance(presented, PresentedToken):
            return presented
        return presented._replace(digest=self.token.digest)

    def preflight(self) -> RequestHead:
        """Return the head of the preflight that a browser would send before a request with an Origin."""
        headers = [
            (b"host", self._host().encode()),
            (b"origin", (self.origin or "").encode()),
            (b"access-control-request-method", self._method().encode()),
            (b"access-control-request-headers", b"authorization,content-type"),
        ]
        return self._read("http", "OPTIONS", headers)

    def steps(self) -> list[Step]:
        """Return the steps of its judgement."""
        match self.door:
            case Door.REQUEST:
                left_out = {Step.HANDSHAKE}
            case Door.PREFLIGHT:
                left_out = {Step.HANDSHAKE, Step.CREDENTIAL, Step.SERVER, Step.CONTENT, Step.GRANT}
            case Door.HANDSHAKE | Door.MESSAGE:
                left_out = {Step.CONTENT}
        if not self.endpoint.name.startswith(PREFIX):
            left_out.add(Step.SERVER)
        return [step for step in Step if step not in {*left_out, Step.BOUND}]  # bounds are of one process

    def detail(self, step: Step, snapshot: Snapshot) -> str:  # noqa: C901 (one case for each step)
        """Return what the policy knows about a part of the request."""
        endpoint = self.endpoint
        match step:
            case Step.POLICY:
                return f"revision {snapshot.revision}, profile {endpoint.profile.value}"
            case Step.HEAD:
                return self._about_head()
            case Step.HOST:
                return self._host()
            case Step.TLS:
                return "required; taken as given" if endpoint.require_tls else "not required"
            case Step.HANDSHAKE:
                return "version 13, no subprotocol offered"
            case Step.ORIGIN:
                return self._about_origin(snapshot)
            case Step.CREDENTIAL:
                return self._about_token(snapshot)
            case Step.SERVER:
                unserved = snapshot.endpoints[endpoint.name].unserved
                return "approved and enabled" if unserved is None else unserved.value
            case Step.CONTENT:
                return "application/json"
            case Step.GRANT:
                return self._about_grant()
            case Step.BOUND:
                return "not asked"

    def _read(self, kind: str, method: str, headers: list[tuple[bytes, bytes]]) -> RequestHead:
        scope: dict[str, Any] = {
            "client": ("127.0.0.1", 0) if self.endpoint.profile is Profile.LOCAL else None,
            "server": ("", self._port()),
            "type": kind,
            "method": method,
            "path": "/",
            "scheme": "wss" if kind == "websocket" else "https",
            "root_path": min(self.endpoint.root_paths),
            "headers": headers,
        }
        return wire.from_scope(scope, self.endpoint)

    def _about_head(self) -> str:
        match self.door:
            case Door.REQUEST:
                return f"{self._method()} over HTTP"
            case Door.PREFLIGHT:
                return f"preflight of a {self._method()}"
            case Door.HANDSHAKE:
                return "WebSocket handshake"
            case Door.MESSAGE:
                return "WebSocket handshake, then its first message"

    def _host(self) -> str:
        """Return the Host that was given, else the first that the endpoint accepts."""
        if self.host is not None:
            return self.host
        rules = self.endpoint.hosts
        if self.endpoint.profile is Profile.LOCAL and not rules.exact:
            return f"{min(rules.names, default=b'').decode()}:{PORT}"
        return min(rules.names or rules.exact, default=b"").decode()

    def _port(self) -> int:
        port = self._host().rpartition(":")[2]
        return int(port) if port.isdecimal() and len(port) < 6 else PORT

    def _method(self) -> str:
        return "POST" if self.method is None else self.method

    def _about_origin(self, snapshot: Snapshot) -> str:
        endpoint, policy = self.endpoint, snapshot.endpoints[self.endpoint.name]
        if self.origin is None:
            rule = endpoint.missing_origin_ws if self.door.is_websocket else endpoint.missing_origin_http
            return f"none sent; the endpoint then wants: {rule.value}"
        listing = policy.allowlist.get(self.origin.encode())
        if listing is not None:
            until = f", until {_iso(listing.expires_at)}" if listing.expires_at else ""
            return f"{self.origin} is listed for client {listing.client}{until}"
        if endpoint.opens_to_all_origins:
            return f"{self.origin} is not listed, nor need it be"
        return f"{self.origin} is not listed{_near_miss(self.origin, endpoint.name)}"

    def _about_grant(self) -> str:
        if self.operation is None:
            return "nothing is asked for"
        left = ": left to the application" if self.endpoint.forward_authorization else ""
        return f"{self.operation.grant}{left}"

    def _about_token(self, snapshot: Snapshot) -> str:
        if self.endpoint.ignores_credentials:
            return "never read here"
        if self.nonce:
            return "the nonce, taken as right" + (", and a token" if self.token else "")
        if self.token is None:
            scopes = ", ".join(self.endpoint.public_scopes)
            return f"none sent; public scopes: {scopes or 'none'}"
        record = snapshot.tokens.get(self.token.digest)
        if record is None:
            return "a token that no row knows"
        return (
            f"token {record.token_id} of client {record.client}, kind {record.kind.value}, "
            f"for {', '.join(sorted(record.endpoints)) or 'no endpoint'}, until {_iso(record.expires_at)}"
        )


def _near_miss(origin: str, endpoint: str) -> str:
    """Return what keeps a row from listing the origin here, empty when no row comes near it."""
    try:
        sent = canonical(origin)
    except OriginError:
        return ""
    row = AllowedOrigin.objects.select_related("client").filter(origin=sent).first()
    if row is None:
        return ""
    stored = row.endpoints if isinstance(row.endpoints, list) else []
    endpoints = [name for name in stored if isinstance(name, str)]
    if endpoint not in endpoints:
        return f": its row is for {', '.join(endpoints) or 'no endpoint'}"
    if not row.active:
        return ": its row is switched off"
    if not row.client.active:
        return f": client {row.client.name} is disabled"
    return f", but {sent} is, which browsers send for it" if sent != origin else ""


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
