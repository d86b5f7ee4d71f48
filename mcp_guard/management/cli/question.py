"""The request that ``check`` asks about: its head, and what the policy knows of each of its parts."""

from __future__ import annotations

import getpass
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from mcp_guard import wire
from mcp_guard.management.cli.call import BadInput, Call
from mcp_guard.management.cli.reasons import Step
from mcp_guard.management.cli.rows import names_in
from mcp_guard.management.cli.text import iso
from mcp_guard.models import AllowedOrigin
from mcp_guard.policy.endpoint import Endpoint
from mcp_guard.policy.facts import RequestHead
from mcp_guard.policy.origin import OriginError, canonical
from mcp_guard.policy.scopes import Operation
from mcp_guard.policy.snapshot import Snapshot
from mcp_guard.tokens import digest

MAX_TOKEN: Final = 8192
"""How much of a line is read as a token, in characters."""


class Question(NamedTuple):
    """A request that nobody sent. ``host`` and ``method`` are None for the usual ones.

    It is asked as if it came over TLS, without cookies, and with a body of application/json.
    """

    endpoint: Endpoint
    origin: str | None
    token: str | None
    host: str | None
    method: str | None
    websocket: bool
    operation: Operation | None

    def head(self) -> RequestHead:
        """Return the head, read like that of a request on the wire."""
        headers = [(b"host", self._host().encode())]
        if self.origin is not None:
            headers.append((b"origin", self.origin.encode()))
        if self.token is not None:
            headers.append((b"authorization", b"Bearer " + self.token.encode()))
        if self.websocket:
            headers.append((b"sec-websocket-version", b"13"))
            return self._read("websocket", "GET", headers)
        return self._read("http", self._method(), [*headers, (b"content-type", b"application/json")])

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
        other = Step.CONTENT if self.websocket else Step.HANDSHAKE
        return [step for step in Step if step is not other]

    def detail(self, step: Step, snapshot: Snapshot) -> str:
        """Return what the policy knows about a part of the request."""
        endpoint = self.endpoint
        match step:
            case Step.POLICY:
                return f"revision {snapshot.revision}, profile {endpoint.profile.value}"
            case Step.HEAD:
                return "WebSocket handshake" if self.websocket else f"{self._method()} over HTTP"
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
            case Step.CONTENT:
                return "application/json"
            case Step.GRANT:
                return self._about_grant()

    def _read(self, kind: str, method: str, headers: list[tuple[bytes, bytes]]) -> RequestHead:
        scope: dict[str, Any] = {
            "type": kind,
            "method": method,
            "path": "/",
            "scheme": "wss" if kind == "websocket" else "https",
            "root_path": min(self.endpoint.root_paths),
            "headers": headers,
        }
        return wire.from_scope(scope, self.endpoint)

    def _host(self) -> str:
        """Return the Host that was given, else the first that the endpoint accepts."""
        if self.host is not None:
            return self.host
        rules = self.endpoint.hosts
        return min(rules.names or rules.exact, default=b"").decode()

    def _method(self) -> str:
        return "POST" if self.method is None else self.method

    def _about_origin(self, snapshot: Snapshot) -> str:
        endpoint, policy = self.endpoint, snapshot.endpoints[self.endpoint.name]
        if self.origin is None:
            rule = endpoint.missing_origin_ws if self.websocket else endpoint.missing_origin_http
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
            return "give --tool or --rpc-method"
        left = ": left to the application" if self.endpoint.forward_authorization else ""
        return f"{self.operation.grant}{left}"

    def _about_token(self, snapshot: Snapshot) -> str:
        if self.endpoint.ignores_credentials:
            return "never read here"
        if self.token is None:
            scopes = ", ".join(self.endpoint.public_scopes)
            return f"none sent; public scopes: {scopes or 'none'}"
        record = snapshot.tokens.get(digest(self.token))
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
    if endpoint not in names_in(row.endpoints):
        return f": its row is for {', '.join(names_in(row.endpoints)) or 'no endpoint'}"
    if not row.active:
        return ": its row is switched off"
    if not row.client.active:
        return f": client {row.client.name} is disabled"
    return f", but {sent} is, which browsers send for it" if sent != origin else ""


def ask_for_token(call: Call) -> str | None:
    """Return the token text to ask about, None without one. It never comes from the arguments.

    Raises:
        BadInput: when there is nothing to be read.
    """
    options = call.options
    if options.token:
        field, text = "token", _from_stdin()
    elif options.token_file is not None:
        field, text = "token_file", _from_file(options.token_file)
    else:
        return None
    if not text.strip():
        raise BadInput.in_field(field, "there is no token in it")
    return text.strip()


def _from_stdin() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("Token: ")
    return sys.stdin.readline(MAX_TOKEN)


def _from_file(name: str) -> str:
    try:
        with Path(name).open(encoding="utf-8") as lines:
            return lines.readline(MAX_TOKEN)
    except OSError as error:
        raise BadInput.in_field("token_file", error.strerror or "it cannot be read") from None
    except UnicodeDecodeError:
        raise BadInput.in_field("token_file", "it is not text in UTF-8") from None


def _iso(seconds: float) -> str | None:
    return iso(datetime.fromtimestamp(seconds, UTC))
