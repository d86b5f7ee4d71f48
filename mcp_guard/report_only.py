"""What enforcing would refuse now: what report-only has let in of late, held against the present allowlist.

An origin that was listed since then is no part of it. Report-only softens the allowlist alone, so a token
that wants an origin of its client is refused meanwhile, too; that is told apart, as it stays refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import router
from django.db.models import Q, QuerySet, Sum

from mcp_guard.conf import REPORT_ONLY_DAYS, config, parse
from mcp_guard.live.load import empty, look, reload_rules
from mcp_guard.models import Refusal, Revision
from mcp_guard.policy.allowlist import Allowlist, listed
from mcp_guard.policy.decision import Reason

DAYS: Final = REPORT_ONLY_DAYS
"""For how many days what was let in is remembered here: as long as report-only lasts at most."""

MOST_ROWS: Final = 2000
"""How many rows of refusals are looked at, those that came most often first."""

MOST_ORIGINS: Final = 100
"""How many origins are shown."""

_COLUMNS: Final = (
    "pk", "exchange", "reason", "outcome", "origin", "client", "state", "count", "first_seen", "last_seen",
    "address", "user_agent",
)  # fmt: skip


@dataclass(slots=True)
class UnlistedOrigin:
    """An origin that is not listed, and the requests that came from it. ``pk`` is that of its latest group.

    ``clients`` are those whose tokens its requests had. ``set_aside`` says that an operator wants it refused.
    """

    origin: str
    pk: int
    clients: list[str]
    exchanges: list[str]
    requests: int
    first_seen: datetime
    last_seen: datetime
    address: str
    user_agent: str
    set_aside: bool


@dataclass(frozen=True, slots=True)
class WouldRefuse:
    """What enforcing would refuse on an endpoint, by origin, those with the most requests first.

    ``unsorted`` counts requests whose origins had no room of their own, ``more`` the origins that are not
    shown. ``refused`` are origins that report-only does not let in, since their tokens do not count there.
    """

    origins: list[UnlistedOrigin]
    more: int
    unsorted: int
    refused: list[UnlistedOrigin]

    @property
    def requests(self) -> int:
        """How many requests of the shown origins enforcing would have refused."""
        return sum(each.requests for each in self.origins)


def would_refuse(endpoint: str, now: datetime) -> WouldRefuse:
    """Return what enforcing would refuse on an endpoint, by what came within the last DAYS.

    Raises:
        django.db.Error: when the database cannot be read.
    """
    rows = Refusal.objects.filter(endpoint=endpoint, last_seen__gte=now - timedelta(days=DAYS))
    let_in = Q(outcome=Refusal.Outcome.WOULD_REFUSE)
    rest = rows.filter(let_in, is_rest=True).aggregate(count=Sum("count"))["count"] or 0
    wrong_kind = Q(outcome=Refusal.Outcome.REFUSED, reason=Reason.TOKEN_WRONG_KIND.value)
    found = _unlisted(rows.filter(let_in | wrong_kind, is_rest=False).exclude(origin=""), endpoint, now)
    origins = _by_origin(row for row in found if row.outcome == Refusal.Outcome.WOULD_REFUSE)
    refused = _by_origin(row for row in found if row.outcome == Refusal.Outcome.REFUSED)
    return WouldRefuse(
        origins[:MOST_ORIGINS], max(0, len(origins) - MOST_ORIGINS), rest, refused[:MOST_ORIGINS]
    )


def _unlisted(rows: QuerySet[Refusal], endpoint: str, now: datetime) -> list[Refusal]:
    allowlist = _allowlist(endpoint)
    found = rows.only(*_COLUMNS).order_by("-count", "-last_seen")[:MOST_ROWS]
    return [row for row in found if not _is_listed(allowlist, row.origin, now)]


def _is_listed(allowlist: Allowlist, origin: str, now: datetime) -> bool:
    return listed(allowlist, origin.encode("utf-8", "replace"), now.timestamp()) is not None


def _allowlist(endpoint: str) -> Allowlist:
    """Return the allowlist as the gate would load it now; empty while nothing opens the endpoint."""
    if parse().problems:
        return {}
    alias = router.db_for_write(Revision)
    rules = reload_rules(alias, look(alias), empty(config()))
    policy = rules.endpoints.get(endpoint)
    return {} if policy is None else policy.allowlist


def _by_origin(rows: Iterable[Refusal]) -> list[UnlistedOrigin]:
    found: dict[str, UnlistedOrigin] = {}
    for row in rows:
        known = found.get(row.origin)
        if known is None:
            found[row.origin] = _first(row)
        else:
            _join(known, row)
    return sorted(found.values(), key=lambda each: (-each.requests, each.origin))


def _first(row: Refusal) -> UnlistedOrigin:
    clients = [row.client] if row.client else []
    is_aside = row.state == Refusal.State.NEVER
    return UnlistedOrigin(
        row.origin, row.pk, clients, [row.exchange], row.count, row.first_seen, row.last_seen, row.address,
        row.user_agent, is_aside,
    )  # fmt: skip


def _join(known: UnlistedOrigin, row: Refusal) -> None:
    if row.client and row.client not in known.clients:
        known.clients.append(row.client)
    if row.exchange not in known.exchanges:
        known.exchanges.append(row.exchange)
    known.requests += row.count
    known.first_seen = min(known.first_seen, row.first_seen)
    known.set_aside = known.set_aside or row.state == Refusal.State.NEVER
    if row.last_seen > known.last_seen:
        known.pk, known.last_seen = row.pk, row.last_seen
        known.address, known.user_agent = row.address, row.user_agent
