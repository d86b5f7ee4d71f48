"""The state of the hash chain, for those who look at it: how far it goes, and when it was last verified."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import router
from django.db.models import Count, Min

from mcp_guard.audit import chain
from mcp_guard.audit.verify import VERIFIED
from mcp_guard.models import AuditEvent, AuditSeal


@dataclass(frozen=True, slots=True)
class State:
    """The ends of the chain and what waits behind it.

    ``oldest_unsealed`` is when the oldest of the unsealed events happened, None without one.
    ``last_verification`` is the event of the last one, None before the first.
    """

    seal: AuditSeal
    is_authentic: bool
    unsealed: int
    oldest_unsealed: datetime | None
    last_verification: AuditEvent | None

    @property
    def anchor(self) -> str:
        """The end of the chain as it is written down elsewhere."""
        return chain.anchor(self.seal)

    @property
    def was_broken(self) -> bool:
        """Whether the last verification found something."""
        return self.last_verification is not None and self.last_verification.outcome != "sound"


def state() -> State:
    """Return the state of the chain as the database has it now; nothing is verified but its ends."""
    alias = router.db_for_write(AuditEvent)
    events = AuditEvent.objects.using(alias)
    seal = AuditSeal.objects.using(alias).filter(pk=1).first() or AuditSeal()
    unsealed = events.filter(seq=None).aggregate(count=Count("pk"), oldest=Min("at"))
    last = events.filter(tag=VERIFIED).order_by("-pk").first()
    return State(seal, chain.is_authentic(seal), unsealed["count"], unsealed["oldest"], last)
