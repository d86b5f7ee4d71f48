"""Tokens that want to be looked at: those that end soon, lie idle, may do too much, or work everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Q, QuerySet
from django.utils.safestring import SafeString

from mcp_guard.admin import states
from mcp_guard.admin.use_columns import used
from mcp_guard.expiry import expiring
from mcp_guard.models import Token
from mcp_guard.policy.credential import TokenKind
from mcp_guard.token_state import soon
from mcp_guard.token_uses import Service, idle, idle_grants, last_use, never_used, services, with_uses

MOST: Final = 50
"""How many tokens stand in each list; the filters of the list of tokens show all."""

MOST_GRANTS: Final = 10
"""How many idle grants stand beside a token."""


@dataclass(frozen=True, slots=True)
class Row:
    """One token of a list with what is known of its use."""

    token: Token
    services: tuple[Service, ...] = ()
    grants: tuple[str, ...] = ()
    more_grants: int = 0

    @property
    def use_shown(self) -> SafeString:
        """Its latest use as lists show it."""
        return used(last_use(self.token))


@dataclass(frozen=True, slots=True)
class Listed:
    """The first tokens of a list, and how many more there are."""

    rows: list[Row]
    more: int


@dataclass(frozen=True, slots=True)
class Review:
    """The lists, and within how many days a token ends soon."""

    days: int
    expiring: Listed
    never_used: Listed
    idle: Listed
    over_scoped: Listed
    anywhere: Listed


def review(now: datetime) -> Review:
    """Return the tokens to look at now. All lists but the first are of tokens that work."""
    within: timedelta = soon()
    live = working(now)
    return Review(
        within.days,
        _listed(expiring(now, within)),
        _listed(live.filter(never_used()).order_by("created_at", "pk")),
        _listed(live.filter(idle(now)).order_by("last_used_at", "pk")),
        _over_scoped(live, now),
        _listed(live.filter(kind=TokenKind.ANY.value)),
    )


def working(now: datetime) -> QuerySet[Any]:
    """Return the tokens that work, with their uses."""
    condition = Q(pk__in=[])
    for state in states.WORKING:
        condition |= states.tokens_in(state, now)
    return with_uses(Token.objects.filter(condition).select_related("client", "user"))


def _listed(found: QuerySet[Any]) -> Listed:
    rows = [Row(token, tuple(services(token))) for token in found[:MOST]]
    return Listed(rows, found.count() - len(rows) if len(rows) == MOST else 0)


def _over_scoped(live: QuerySet[Any], now: datetime) -> Listed:
    grants = idle_grants(live, now)
    shown = live.filter(pk__in=sorted(grants)[:MOST])
    rows = [
        Row(
            token, grants=tuple(grants[token.pk][:MOST_GRANTS]),
            more_grants=max(0, len(grants[token.pk]) - MOST_GRANTS),
        )
        for token in shown
    ]  # fmt: skip
    return Listed(rows, len(grants) - len(rows))
