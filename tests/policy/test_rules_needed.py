"""No rule is there for nothing: delete any of them, and a row of the table fails."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mcp_guard import presented
from mcp_guard.policy import (
    allowlist,
    authenticate,
    content,
    credential,
    decide,
    endpoint,
    headers,
    opening,
    proxies,
    reply,
    scopes,
    stamp,
)
from tests.policy.checks import CHECKS
from tests.policy.mutants import Mutant, in_place, mutants

MODULES = [
    allowlist,
    authenticate,
    content,
    credential,
    decide,
    endpoint,
    headers,
    opening,
    proxies,
    presented,
    scopes,
    reply,
    stamp,
]
MUTANTS = {mutant.name: mutant for module in MODULES for mutant in mutants(module)}

CHECKED_BY_TYPES = "no value is left for this case, which the type checkers verify"
ONLY_FASTER = "the rest comes to the same, but costs more"
EQUIVALENT = {
    "authenticate._unusable: case _ -> never": CHECKED_BY_TYPES,
    "opening.open_origin: case shape -> never": CHECKED_BY_TYPES,
    "presented.present: if endpoint.token_header is not None -> True": CHECKED_BY_TYPES,
    "authenticate._admit: expires_at < until with LtE": "of two equal moments either is the earlier",
    "content.refusal: without content_type != b'application/json'": ONLY_FASTER,
    "credential.bearer_text: without not space": ONLY_FASTER,
    "credential.query_has_token: if not query -> False": ONLY_FASTER,
    "credential.query_has_token: without b'%' in query": ONLY_FASTER,
    "decide._preflight: if b'mcp-param-' in asked.lower() -> True": ONLY_FASTER,
    "presented.present: without bool(head.query)": ONLY_FASTER,
    "proxies.is_trusted: if not proxies -> False": ONLY_FASTER,
    "scopes.Grants.cover: without bool(self.prefixes)": ONLY_FASTER,
    "reply.status: case _ -> never": CHECKED_BY_TYPES,
    "reply.refusal: without endpoint is not None": CHECKED_BY_TYPES,
}
"""Mutants that no exchange can tell from the original, and why."""

OTHER_SUBJECTS = ("scopes.canonical", "scopes._refuse", "proxies.client_address")
"""Functions that decide nothing about an exchange: what operators type, what the audit is told."""

NEEDED = {
    name: mutant
    for name, mutant in MUTANTS.items()
    if name not in EQUIVALENT and not name.startswith(OTHER_SUBJECTS)
}


@pytest.mark.parametrize("mutant", NEEDED.values(), ids=NEEDED)
def test_something_fails_without_the_rule(mutant: Mutant):
    with in_place(mutant):
        failing = next((name for name, check in CHECKS.items() if not passes(check)), None)

    assert failing is not None


def test_everything_holds_with_all_rules():
    assert [name for name, check in CHECKS.items() if not passes(check)] == []


def test_what_is_called_equivalent_still_exists():
    assert set(EQUIVALENT) <= set(MUTANTS)


def passes(check: Callable[[], bool]) -> bool:
    """Whether a check holds; rules that raise hold nothing."""
    try:
        return check()
    except Exception:  # noqa: BLE001 (a mutant may fail in any way)
        return False
