"""Read rows as they are: what one of them holds, or that it cannot be parsed.

A row that somebody edited by hand into something no form would have let in lets nobody in, and is named
among the problems of the snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from mcp_guard.policy import scopes
from mcp_guard.policy.scopes import NO_GRANTS, Grants


class NamedScope(NamedTuple):
    """What a scope opens, and at which endpoints; at all of them where it names none."""

    name: str
    grants: list[str]
    endpoints: frozenset[str]


NamedGrants = dict[int, NamedScope]
"""The scopes, by their ids."""


class UnparsableRow(ValueError):
    """A row holds what no form would have let in."""


def names(value: object, what: str) -> list[str]:
    """Return a list of names.

    Raises:
        UnparsableRow: when it is something else.
    """
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise UnparsableRow(f"{what} is not a list of names")
    return value


def seconds(moment: datetime | None) -> float:
    """Return a moment in seconds since the epoch; 0 for none."""
    return 0.0 if moment is None else moment.timestamp()


def by_owner(pairs: Iterable[tuple[int, int]]) -> dict[int, list[int]]:
    """Return the ids of the scopes of each owner."""
    found: dict[int, list[int]] = {}
    for owner, scope in pairs:
        found.setdefault(owner, []).append(scope)
    return found


def joined(ids: Iterable[int], grants: NamedGrants) -> Grants:
    """Return the grants of some scopes together; scopes that could not be parsed have none."""
    found = [(grants[pk].grants, grants[pk].endpoints) for pk in ids if pk in grants]
    return scopes.compile_scopes(found) if found else NO_GRANTS
