"""What a policy of the case file is in the settings of the guard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

ENDPOINT: Final = "corpus"
"""The endpoint under test."""

ELSEWHERE: Final = "elsewhere"
"""Another endpoint, for tokens that were not issued for the one under test."""

_CASES: Final = Path(__file__).parent.with_name("cases.json")
_MISSING_ORIGIN: Final = {"accept": "bearer", "refuse": "refuse"}


def policy(name: str) -> dict[str, Any]:
    """Return a policy as the case file has it.

    Raises:
        KeyError: for a name that it does not have.
    """
    found: dict[str, Any] = json.loads(_CASES.read_text("utf-8"))["policies"][name]
    return found


def guard_settings(policy: dict[str, Any], nonce_file: str) -> dict[str, Any]:
    """Return the setting MCP_GUARD for a policy."""
    missing = {transport: _MISSING_ORIGIN[rule] for transport, rule in policy["missing_origin"].items()}
    return {
        "ENDPOINTS": {
            ENDPOINT: {
                **({"profile": "local", "require_nonce": True} if policy["nonce"] else {"profile": "token"}),
                "hosts": policy["hosts"],
                "methods": ["GET", "HEAD", "POST"],
                "missing_origin": missing,
                "token_every_message": "every message" in policy["auth"]["ws"]
                and "handshake or" not in policy["auth"]["ws"],
                "limits": {
                    "body_bytes": policy["max_body_bytes"],
                    "message_bytes": policy["max_message_bytes"],
                    "first_message_seconds": policy["first_message_s"],
                },
            },
            ELSEWHERE: {"profile": "token", "hosts": policy["hosts"]},
        },
        "TRUSTED_PROXIES": policy["trusted_proxies"],
        "NONCE_FILE": nonce_file,
        "FAILURES_PER_ADDRESS": 100_000,  # all cases come from one address
        "FAILURES_PER_TOKEN": 100_000,
    }


def django_hosts(policy: dict[str, Any]) -> list[str]:
    """Return the hosts as ALLOWED_HOSTS wants them: without their ports."""
    return [host.rpartition(":")[0] if host[-1].isdigit() else host for host in policy["hosts"]]
