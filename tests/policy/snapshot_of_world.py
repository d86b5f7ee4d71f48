"""The policy of the table as one snapshot, built without a database and without Django."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from mcp_guard.policy.allowlist import Allowlist, Listing
from mcp_guard.policy.credential import TokenKind, TokenRecord
from mcp_guard.policy.endpoint import (
    METHODS,
    Carrier,
    Endpoint,
    HostRules,
    Messages,
    MissingOrigin,
    Profile,
)
from mcp_guard.policy.limits import Limits
from mcp_guard.policy.scopes import Grants, compile_grants
from mcp_guard.policy.snapshot import EndpointPolicy, Snapshot
from mcp_guard.tokens import digest
from tests.rows import world
from tests.rows.configurations import ENDPOINTS, HOSTS, REPORT_ONLY, TRUSTED_PROXIES

NOW: Final = float(int(datetime.now(UTC).timestamp()))
MAX_AGE: Final = 10.0

USER_IDS: Final = {user.name: number for number, user in enumerate(world.USERS, 1)}
CLIENT_IDS: Final = {client.name: number for number, client in enumerate(world.CLIENTS, 1)}
TOKEN_IDS: Final = {token.name: number for number, token in enumerate(world.TOKENS, 1)}


def snapshot() -> Snapshot:
    """Return the policy of the table."""
    endpoints = {
        name: EndpointPolicy(
            endpoint(name, declared),
            _allowlist(name),
            _report_only(name, declared),
            _grants(tuple(declared.get("public_scopes", ()))),
            _grants(tuple(declared.get("local_scopes", ()))),
        )
        for name, declared in ENDPOINTS.items()
    }
    tokens = {bytes(digest(token.text)): _record(token) for token in world.TOKENS}
    return Snapshot(1, "", MAX_AGE, endpoints, tokens)


def endpoint(name: str, declared: dict[str, Any]) -> Endpoint:
    """Return the endpoint that the settings declare."""
    missing = declared.get("missing_origin", {})
    carriers = declared.get("ws_credentials", ["header", "message", "ticket"])
    header = declared.get("token_header")
    messages = Messages(declared.get("messages", "mcp"))
    return Endpoint(
        name,
        Profile(declared["profile"]),
        _hosts(declared.get("hosts", HOSTS)),
        messages=messages,
        methods=tuple(declared.get("methods", METHODS[messages])),
        missing_origin_http=MissingOrigin(missing.get("http", "bearer")),
        missing_origin_ws=MissingOrigin(
            missing.get("ws", "bearer" if declared["profile"] in ("backend", "local") else "refuse")
        ),
        any_origin=declared.get("any_origin", False),
        ws_credentials=frozenset(map(Carrier, carriers)),
        token_every_message=declared.get("token_every_message", False),
        token_header=None if header is None else header.lower().encode(),
        public_scopes=tuple(declared.get("public_scopes", ())),
        local_scopes=tuple(declared.get("local_scopes", ())),
        nonce_query=declared.get("nonce_query", False),
        require_nonce=declared.get("require_nonce", False),
        forward_authorization=declared.get("forward_authorization", False),
        require_tls=declared.get("require_tls", False),
        trusted_proxies=tuple(map(ipaddress.ip_network, TRUSTED_PROXIES)),
        extra_headers=tuple(header.lower() for header in declared.get("extra_headers", ())),
        limits=Limits(**declared.get("limits", {})),
    )


def _hosts(declared: Sequence[str]) -> HostRules:
    suffixes = [host.encode() for host in declared if host.startswith(".")]
    others = [host.encode() for host in declared if not host.startswith(".")]
    with_port = [host for host in others if b":" in host.rpartition(b"]")[2]]
    return HostRules(
        frozenset(with_port),
        frozenset([*(host for host in others if host not in with_port), *(host[1:] for host in suffixes)]),
        tuple(suffixes),
    )


def _allowlist(name: str) -> Allowlist:
    return {
        origin.url.encode(): Listing(
            CLIENT_IDS[origin.client.name],
            origin.client.name,
            _grants(origin.client.scopes),
            origin.cookies,
            0.0 if origin.expires is None else NOW + origin.expires,
        )
        for origin in world.ORIGINS
        if name in origin.endpoints and origin.active and origin.client.active
    }


def _record(token: world.Token) -> TokenRecord:
    expires = token.expires if token.secret_expires is None else min(token.expires, token.secret_expires)
    return TokenRecord(
        TOKEN_IDS[token.name],
        CLIENT_IDS[token.client.name],
        token.client.name,
        token.client.active,
        None if token.user is None else USER_IDS[token.user.name],
        token.user is not None and token.user.active,
        TokenKind(token.kind),
        frozenset(token.endpoints),
        _grants(token.scopes),
        0.0 if token.not_before is None else NOW + token.not_before,
        NOW + expires,
        token.revoked,
    )


def _grants(scopes: tuple[str, ...]) -> Grants:
    return compile_grants([grant for name in scopes for grant in world.SCOPES[name]])


def _report_only(name: str, declared: dict[str, Any]) -> float:
    if name in REPORT_ONLY:
        return NOW + REPORT_ONLY[name]
    if "report_only" in declared:
        return datetime.fromisoformat(declared["report_only"]).timestamp()
    return 0.0
