"""What the index of the app shows at a glance, part by part, each to those who may see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import router
from django.db.models import Max, Sum

from mcp_guard import conf
from mcp_guard.admin import states
from mcp_guard.admin.pictures import Pictures, pictures
from mcp_guard.audit import outbox
from mcp_guard.models import (
    AuditEvent,
    AuditSeal,
    Change,
    Refusal,
    RegisteredServer,
    Revision,
    Shipment,
    Token,
)
from mcp_guard.processes import processes
from mcp_guard.server_state import ServerState, server_state
from mcp_guard.servers.runs import running
from mcp_guard.token_state import soon

ORIGIN_DAYS: Final = 7
"""Of how many days refused origins are shown."""

MOST_ORIGINS: Final = 10
MOST_TOKENS: Final = 10
MOST_SERVERS: Final = 10

NOTICED_WITHIN: Final = timedelta(seconds=10)
"""How long after a change a process that does not know of it is behind."""

MOST_COUNTED: Final = 1000
"""How far events that are not sealed are counted."""


@dataclass(frozen=True, slots=True)
class Expiring:
    """Tokens that expire soon, the next one first."""

    tokens: list[Token]
    more: int
    days: int


@dataclass(frozen=True, slots=True)
class Followers:
    """The processes: how many speak, how many of them are behind or silent, the age of the oldest policy.

    Behind is who lacked the last change when it spoke, though that change was old by then.
    """

    speaking: int
    behind: int
    silent: int
    oldest: float | None


@dataclass(frozen=True, slots=True)
class Trail:
    """How far the audit trail is sealed and shipped; ``unsealed`` is counted up to MOST_COUNTED."""

    unsealed: int
    sealed_at: datetime | None
    shipments: list[tuple[Shipment, int]]

    @property
    def is_more(self) -> bool:
        """Whether there are more that are not sealed than were counted."""
        return self.unsealed > MOST_COUNTED


@dataclass(frozen=True, slots=True)
class Registered:
    """Registered servers that wait for approval or cannot be used, and how many processes run."""

    wanting: list[RegisteredServer]
    more: int
    processes: int


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Every part, None where the user may not see it."""

    pictures: Pictures | None
    origins: list[dict[str, Any]] | None
    expiring: Expiring | None
    followers: Followers | None
    trail: Trail | None
    registered: Registered | None


_PARTS: Final = ("tally", "refusal", "token", "endpointstate", "auditevent", "registeredserver")


def may_see_any(user: Any) -> bool:
    """Return whether a user may see any part."""
    return any(_may_see(user, model) for model in _PARTS)


def dashboard(user: Any, now: datetime) -> Dashboard:
    """Return what a user may see now, asking the database nothing about the other parts."""
    return Dashboard(
        pictures(now) if _may_see(user, "tally") else None,
        refused_origins(now) if _may_see(user, "refusal") else None,
        expiring(now) if _may_see(user, "token") else None,
        followers(now) if _may_see(user, "endpointstate") else None,
        trail() if _may_see(user, "auditevent") else None,
        registered(now) if _may_see(user, "registeredserver") else None,
    )


def refused_origins(now: datetime) -> list[dict[str, Any]]:
    """Return the origins that were refused most, of those that came of late and are not set aside."""
    rows = Refusal.objects.filter(
        last_seen__gte=now - timedelta(days=ORIGIN_DAYS),
        state=Refusal.State.OPEN,
        outcome=Refusal.Outcome.REFUSED,
        is_rest=False,
    ).exclude(origin="")
    summed: Any = rows.order_by().values("origin").annotate(requests=Sum("count"), last=Max("last_seen"))
    return list(summed.order_by("-requests", "origin")[:MOST_ORIGINS])


def expiring(now: datetime) -> Expiring:
    """Return the tokens that work and will soon do so no longer."""
    rows = Token.objects.filter(states.tokens_in(states.State.EXPIRING, now))
    shown = list(rows.select_related("client").order_by("expires_at", "pk")[:MOST_TOKENS])
    more = rows.count() - len(shown) if len(shown) == MOST_TOKENS else 0
    return Expiring(shown, more, soon().days)


def followers(now: datetime) -> Followers:
    """Return how well the processes follow the policy."""
    found = processes(now)
    speaking = [process for process in found if not process.is_silent]
    changed_at = Change.objects.order_by("-revision").values_list("at", flat=True).first()
    noticed = changed_at + NOTICED_WITHIN if changed_at else now
    return Followers(
        len(speaking),
        sum(process.behind != 0 and process.row.seen_at > noticed for process in speaking),
        len(found) - len(speaking),
        max((process.age or 0.0 for process in speaking), default=None),
    )


def trail() -> Trail:
    """Return how far the audit trail is sealed and shipped."""
    alias = router.db_for_write(Revision)
    unsealed = AuditEvent.objects.using(alias).filter(seq=None)[: MOST_COUNTED + 1].count()
    rows = list(Shipment.objects.using(alias).order_by("destination")[:MOST_ORIGINS])
    seal = AuditSeal.objects.using(alias).filter(pk=1).first() or AuditSeal()  # after the watermarks
    shipments = [(each, max(0, seal.seq - outbox.reached(each, seal))) for each in rows]
    return Trail(unsealed, seal.sealed_at, shipments)


def registered(now: datetime) -> Registered | None:
    """Return which registered servers want to be looked at; None where the project serves none."""
    settings = conf.parse().servers
    if settings.endpoint is None:
        return None
    wants = (ServerState.NOT_APPROVED, ServerState.UNUSABLE)
    found = [row for row in RegisteredServer.objects.all() if server_state(row, settings) in wants]
    return Registered(found[:MOST_SERVERS], len(found[MOST_SERVERS:]), len(running(now)))


def _may_see(user: Any, model: str) -> bool:
    return any(user.has_perm(f"mcp_guard.{verb}_{model}") for verb in ("view", "change"))
