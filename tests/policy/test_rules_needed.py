"""No rule is there for nothing: delete any of them, and a row of the table fails."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from types import CodeType

import pytest

from mcp_guard import presented
from mcp_guard.mcp import agreement, header_value, operations, parameters
from mcp_guard.policy import (
    allowlist,
    authenticate,
    content,
    credential,
    decide,
    endpoint,
    headers,
    lists,
    local,
    opening,
    proxies,
    registration,
    reply,
    scopes,
    stamp,
    templates,
    ticket,
)
from tests.policy.checks import CHECKS
from tests.policy.mutants import Mutant, in_place, mutants
from tests.policy.reach import reached

MODULES = [
    allowlist,
    authenticate,
    content,
    credential,
    decide,
    endpoint,
    headers,
    local,
    opening,
    proxies,
    presented,
    registration,
    scopes,
    reply,
    stamp,
    ticket,
    lists,
    templates,
    agreement,
    header_value,
    operations,
    parameters,
]
MUTANTS = {mutant.name: mutant for module in MODULES for mutant in mutants(module)}

CHECKED_BY_TYPES = "no value is left for this case, which the type checkers verify"
ONLY_FASTER = "the rest comes to the same, but costs more"
ONLY_KEPT = "what is returned is the same, kept or not"
EQUIVALENT = {
    "authenticate._unusable: case _ -> never": CHECKED_BY_TYPES,
    "opening.open_origin: case shape -> never": CHECKED_BY_TYPES,
    "presented.present: if endpoint.token_header is not None -> True": CHECKED_BY_TYPES,
    "authenticate._admit: expires_at < until with LtE": "of two equal moments either is the earlier",
    "content.refusal: without content_type != b'application/json'": ONLY_FASTER,
    "content._may_be_read: without len(length) < MAX_DIGITS": "Python reads thousands of digits, slowly",
    "content._may_be_read: len(length) < MAX_DIGITS with LtE": "no limit has as many digits",
    "credential.bearer_text: without not space": ONLY_FASTER,
    "credential.query_has_token: if not query -> False": ONLY_FASTER,
    "credential.query_has_token: without b'%' in query": ONLY_FASTER,
    "decide._preflight: if b'mcp-param-' in asked.lower() -> True": ONLY_FASTER,
    "headers.fold: if len(values) == len(kept) -> False": ONLY_FASTER,
    "headers.fold: if token_header is None -> False": "no header has no name",
    "presented.present: without bool(head.query)": ONLY_FASTER,
    "proxies.is_trusted: if not proxies -> False": ONLY_FASTER,
    "proxies._parsed: if len(address) <= REMEMBERED_LENGTH -> True": ONLY_KEPT,
    "proxies._parsed: if len(address) <= REMEMBERED_LENGTH -> False": ONLY_KEPT,
    "proxies._parsed: len(address) <= REMEMBERED_LENGTH with Lt": ONLY_KEPT,
    "stamp.stamped_headers: if line[0] not in _UNTOUCHED -> True": ONLY_FASTER,
    "stamp.stamped_headers: if added is None -> True": ONLY_FASTER,
    "scopes.Operation.grants: without self.name is not None": CHECKED_BY_TYPES,
    "scopes.Grants.opener: without operation.name is not None": CHECKED_BY_TYPES,
    "templates.makes: without not _fit(literal_head(template), text, whole=whole)": ONLY_FASTER,
    "templates._fit: return text.startswith(head) or (not whole and head.startswith(text)) -> True": (
        ONLY_FASTER
    ),
    "templates._fit: without head.startswith(text)": ONLY_FASTER,
    "templates._fit: without not whole": ONLY_FASTER,
    "templates._with_empty: if following in places -> False": ONLY_FASTER,
    "operations._is_name: without value.isprintable()": ONLY_FASTER,
    "agreement._name_disagreement: if key is None -> False": ONLY_FASTER,
    "agreement._name_disagreement: without type(named) is not str": CHECKED_BY_TYPES,
    "parameters.disagreement: without expected is None (2)": "no header says what it would have to say",
    "reply.status: case _ -> never": CHECKED_BY_TYPES,
    "reply.refusal: without endpoint is not None": CHECKED_BY_TYPES,
}
"""Mutants that no exchange can tell from the original, and why."""

if ipaddress.ip_address("::ffff:127.0.0.1").is_loopback:  # as of Python 3.13
    is_mapped = "isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None"
    EQUIVALENT[f"local.is_loopback: if {is_mapped} -> False"] = "it looks into mapped addresses by itself"

OTHER_SUBJECTS = (
    "scopes.canonical",
    "scopes._refuse",
    "proxies.client_address",
    "proxies._without_port",
    "proxies.network_of",
)
"""Functions that decide nothing about an exchange: what operators type, what audit and bounds are told."""

NEEDED = {
    name: mutant
    for name, mutant in MUTANTS.items()
    if name not in EQUIVALENT and not name.startswith(OTHER_SUBJECTS)
}


@pytest.fixture(scope="module")
def first() -> dict[CodeType, list[str]]:
    """Return which checks are asked first about a function."""
    return reached(CHECKS)


@pytest.mark.parametrize("mutant", NEEDED.values(), ids=NEEDED)
def test_something_fails_without_the_rule(mutant: Mutant, first: dict[CodeType, list[str]]):
    names = [*first.get(mutant.function.__code__, ()), *CHECKS]
    with in_place(mutant):
        failing = next((name for name in names if not passes(CHECKS[name])), None)

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
