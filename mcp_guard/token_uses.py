"""What is known of the use of tokens: from where each was used, which are idle, which have too wide a scope.

A use is known to the minute, and from when the guard began to write it down.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from django.db.models import OuterRef, Prefetch, Q, QuerySet, Subquery

from mcp_guard.models import GrantUse, Token, TokenUse
from mcp_guard.policy.scopes import Operation

IDLE: Final = timedelta(days=30)
"""What was not used for so long is idle."""


class GrantSeen(NamedTuple):
    """One grant of a token: when it last opened something (None: not that anybody knows), and if it is idle.

    No grant of a token that is younger than IDLE is idle: it had no time to be used.
    """

    grant: str
    last_at: datetime | None
    is_idle: bool


class Service(NamedTuple):
    """Who uses a token: an address, what it calls itself, the endpoint, the secret's mask, and when last."""

    address: str
    user_agent: str
    endpoint: str
    secret: str
    last_at: datetime


def with_uses(tokens: QuerySet[Any]) -> QuerySet[Any]:
    """Return the tokens with their uses, the latest first, and ``last_used_at`` to sort and filter by."""
    latest = TokenUse.objects.filter(token=OuterRef("pk")).order_by("-last_at")
    uses = Prefetch("uses", TokenUse.objects.select_related("secret"))
    found: QuerySet[Any] = tokens.annotate(last_used_at=Subquery(latest.values("last_at")[:1]))
    return found.prefetch_related(uses)


def last_use(token: Token) -> TokenUse | None:
    """Return the latest use of a token, None when there was none."""
    found: TokenUse | None = next(iter(token.uses.all()), None)
    return found


def last_use_of_secret(token: Token, secret_id: int) -> TokenUse | None:
    """Return the latest use of one secret of a token, None when there was none."""
    return next((use for use in token.uses.all() if use.secret_id == secret_id), None)


def services(token: Token) -> list[Service]:
    """Return who uses a token, the latest first."""
    return [
        Service(use.address, use.user_agent, use.endpoint, use.secret.mask, use.last_at)
        for use in token.uses.all()
    ]


def never_used() -> Q:
    """Return the condition for a token that nobody has used."""
    return Q(last_used_at__isnull=True)


def idle(now: datetime) -> Q:
    """Return the condition for a token that was used, but not lately."""
    return Q(last_used_at__lte=now - IDLE)


def grants_of(token: Token, now: datetime) -> list[GrantSeen]:
    """Return the grants of a token's scopes in their order; those that need no grant are left out."""
    last = dict(GrantUse.objects.filter(token=token).values_list("grant", "last_at"))
    is_old = token.created_at <= now - IDLE
    granted = dict.fromkeys(grant for scope in token.scopes.all() for grant in asked_for(scope.grants))
    return [
        GrantSeen(grant, last.get(grant), is_old and (grant not in last or last[grant] <= now - IDLE))
        for grant in sorted(granted)
    ]


def idle_grants(tokens: QuerySet[Any], now: datetime) -> dict[int, list[str]]:
    """Return the idle grants of each of these tokens by its id; a token without any is left out."""
    old = tokens.filter(created_at__lte=now - IDLE)
    used: defaultdict[int, set[str]] = defaultdict(set)
    lately = GrantUse.objects.filter(last_at__gt=now - IDLE, token__in=old.values("pk"))
    for token_id, grant in lately.values_list("token_id", "grant").iterator():
        used[token_id].add(grant)
    granted: defaultdict[int, set[str]] = defaultdict(set)
    pairs = Token.scopes.through.objects.filter(token__in=old.values("pk"))
    for token_id, grants in pairs.values_list("token_id", "scope__grants").iterator():
        granted[token_id].update(asked_for(grants))
    found = {token_id: sorted(grants - used[token_id]) for token_id, grants in granted.items()}
    return {token_id: grants for token_id, grants in found.items() if grants}


def asked_for(stored: object) -> Iterable[str]:
    """Return those grants of a scope that anybody is ever asked for; a free method needs none."""
    grants = stored if isinstance(stored, list) else []
    return [grant for grant in grants if isinstance(grant, str) and not Operation(grant).is_free]
