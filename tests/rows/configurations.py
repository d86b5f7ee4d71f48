"""The endpoint configurations of the table, as a project's settings would declare them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

DAY: Final = 86400

LOCAL_HOSTS: Final = ["localhost", "127.0.0.1", "[::1]"]

ENDPOINTS: Final[dict[str, dict[str, Any]]] = {
    "partner": {"profile": "partner"},
    "partner-guests": {"profile": "partner", "public_scopes": ["guest"]},
    "partner-strict": {"profile": "partner", "missing_origin": {"http": "refuse"}},
    "partner-agents": {"profile": "partner", "missing_origin": {"ws": "bearer"}},
    "partner-header": {"profile": "partner", "ws_credentials": ["header"]},
    "partner-offers": {"profile": "partner", "ws_credentials": ["header", "ticket", "subprotocol"]},
    "partner-first": {
        "profile": "partner",
        "ws_credentials": ["message"],
        "token_header": "X-MCP-Auth-Token",
    },
    "partner-hasty": {"profile": "partner", "limits": {"first_message_seconds": 0.2}},
    "partner-every": {"profile": "partner", "token_every_message": True},
    "partner-second": {
        "profile": "partner",
        "token_header": "X-MCP-Auth-Token",
        "extra_headers": ["X-Trace"],
    },
    "partner-oauth": {"profile": "partner", "forward_authorization": True},
    "partner-tls": {"profile": "partner", "require_tls": True},
    "partner-hosts": {"profile": "partner", "hosts": [".example.org", "localhost:8765", "[::1]"]},
    "partner-small": {
        "profile": "partner",
        "methods": ["POST"],
        "limits": {"body_bytes": 1024, "message_bytes": 1024},
    },
    "partner-report": {"profile": "partner", "public_scopes": ["guest"]},
    "partner-report-set": {
        "profile": "partner",
        "report_only": (datetime.now(UTC) + timedelta(days=2)).isoformat(),
    },
    "partner-report-over": {"profile": "partner"},
    "partner-report-long": {"profile": "partner"},
    "portal": {"profile": "same-origin"},
    "portal-report": {"profile": "same-origin"},
    "portal-agents": {"profile": "same-origin", "missing_origin": {"ws": "bearer"}},
    "token": {"profile": "token"},
    "token-any": {"profile": "token", "any_origin": True},
    "hooks": {"profile": "backend"},
    "hooks-sockets": {"profile": "backend", "missing_origin": {"ws": "refuse"}},
    "public": {"profile": "public", "public_scopes": ["guest"]},
    "public-bare": {"profile": "public"},
    "api": {"profile": "partner", "messages": "http", "limits": {"body_bytes": 1024}},
    "api-public": {"profile": "public", "messages": "http", "public_scopes": ["http-reading"]},
    "api-oauth": {"profile": "token", "messages": "http", "forward_authorization": True},
    "local": {"profile": "local", "hosts": LOCAL_HOSTS, "local_scopes": ["reading"]},
    "local-bare": {"profile": "local", "hosts": LOCAL_HOSTS},
    "local-strict": {"profile": "local", "hosts": ["127.0.0.1:8765"], "require_nonce": True},
    "local-query": {
        "profile": "local",
        "hosts": LOCAL_HOSTS,
        "nonce_query": True,
        "local_scopes": ["reading"],
        "token_header": "X-MCP-Auth-Token",
    },
    "elsewhere": {"profile": "partner"},
}
"""What MCP_GUARD["ENDPOINTS"] declares while the table is played."""

REPORT_ONLY: Final = {
    "partner-report": DAY // 2,
    "portal-report": DAY // 2,
    "partner-report-over": -60,
    "partner-report-long": 15 * DAY,
}
"""Until when an operator switched report-only on, in seconds from now."""

HOSTS: Final = ("testserver", "api.example.com", "127.0.0.1", "localhost")
"""Hosts of every other endpoint. Django itself takes any host while the table is played: the gate decides."""

TRUSTED_PROXIES: Final = ("10.0.0.0/8",)

MCP_GUARD: Final = {
    "ENDPOINTS": {name: {"hosts": list(HOSTS), **declared} for name, declared in ENDPOINTS.items()},
    "TRUSTED_PROXIES": list(TRUSTED_PROXIES),
    "FAILURES_PER_ADDRESS": 100_000,
    "FAILURES_PER_TOKEN": 100_000,
}
"""The setting while the table is played. Every row comes from one address, so it may fail as often."""
