"""Prune the oldest events, so that what is left can still be proven.

Only a sealed start of the chain goes, after it was verified once more, and the chain then begins with the
digest of the last event that went, under the same MAC as its end. The pruning is an event itself.
"""

from __future__ import annotations

import logging
import os
import random
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from django.db import router, transaction
from django.db.models import Min
from django.utils import timezone

from mcp_guard.audit import chain, seal
from mcp_guard.audit.events import Category, recorded
from mcp_guard.conf import config
from mcp_guard.live.refresher import progress
from mcp_guard.models import AuditEvent, AuditSeal, Shipment
from mcp_guard.sealing import sealing

log = logging.getLogger("mcp_guard.seal")

BATCH: Final = 5000
"""How many events one transaction prunes."""

SECONDS: Final = 3600.0
"""How often a process looks whether there is something to prune."""

PRUNED: Final = "audit:prune"
"""What the event is tagged with that says what was pruned."""


class Broken(RuntimeError):
    """What would be pruned does not verify; it is evidence, so it stays."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What may go: events before a time, and the oldest past a number of rows. None sets no bound.

    ``is_broken_pruned`` lets events go that do not verify, which is recorded.
    """

    before: datetime | None = None
    rows: int | None = None
    is_broken_pruned: bool = False

    @classmethod
    def of_settings(cls, now: datetime) -> Bounds:
        """Return the retention that the settings ask for."""
        days, rows = config().audit_days, config().audit_rows
        return cls(now - timedelta(days=days) if days else None, rows or None)


def prune_all(bounds: Bounds, actor_label: str, *, waits: bool = False) -> int:
    """Prune, batch by batch, and return how many events went.

    It ends while another process seals, unless it ``waits`` for that one.

    Raises:
        Broken: when the next batch does not verify.
        NotAuthentic: when the ends of the chain are not to be trusted.
    """
    total = 0
    while pruned := prune_batch(bounds, actor_label, waits=waits):
        total += pruned
        progress()
    return total


def prune_batch(bounds: Bounds, actor_label: str, *, waits: bool = False) -> int:
    """Prune at most BATCH events in a transaction and return how many.

    0 also when another process seals, unless this one ``waits`` for it.

    Raises:
        Broken: when they do not verify.
        NotAuthentic: see ``seal.lock``.
    """
    alias = router.db_for_write(AuditEvent)
    with transaction.atomic(using=alias):
        ends = seal.lock(alias, waits=waits)
        if ends is None:
            return 0
        last, unshipped = last_to_go(alias, ends, bounds)
        last = min(last, ends.pruned_seq + BATCH)
        first = ends.pruned_seq + 1
        if last < first:
            return 0
        is_broken = _advance(alias, ends, last)
        if is_broken and not bounds.is_broken_pruned:
            raise Broken(f"the events {first} to {last} do not verify and are not pruned")
        with sealing(alias):
            AuditEvent.objects.using(alias).filter(seq__lte=last).delete()
        seal.save(alias, ends)
        details = {"first": first, "last": last, "unshipped": max(0, last - max(unshipped, first) + 1)}
        _record(alias, actor_label, details, is_broken=is_broken)
    return last - first + 1


def last_to_go(alias: str, ends: AuditSeal, bounds: Bounds) -> tuple[int, int]:
    """Return the number of the last event that goes, and of the first one that is not shipped everywhere.

    An event that is not shipped yet outlives its time, but not the bound on rows: a collector that is
    gone for good must not fill the database. Nothing goes when the number is not above the pruned ones.
    """
    names = config().ship
    shipped = dict(Shipment.objects.using(alias).filter(pk__in=names).values_list("pk", "seq"))
    unshipped = 1 + min((shipped.get(name, ends.pruned_seq) for name in names), default=ends.seq)
    aged = surplus = 0
    if bounds.before is not None:
        kept = AuditEvent.objects.using(alias).filter(seq__gt=ends.pruned_seq, at__gte=bounds.before)
        oldest = kept.aggregate(least=Min("seq"))["least"]
        aged = min(ends.seq if oldest is None else oldest - 1, unshipped - 1)
    if bounds.rows is not None:
        surplus = ends.seq - bounds.rows
    return max(aged, surplus), unshipped


def _advance(alias: str, ends: AuditSeal, last: int) -> bool:
    """Move the start of the chain behind an event; return whether something up to it does not verify."""
    is_broken = False
    seq, digest = ends.pruned_seq, chain.start(ends)
    for event in AuditEvent.objects.using(alias).filter(seq__lte=last).order_by("seq").iterator():
        is_broken |= event.seq != seq + 1 or event.digest != chain.digest(digest, event)
        seq, digest = event.seq, event.digest
    ends.pruned_seq, ends.pruned_digest = last, digest
    return is_broken or seq != last


def _record(alias: str, actor_label: str, details: dict[str, int], *, is_broken: bool) -> None:
    """Record what goes in the transaction in which it goes."""
    event = AuditEvent.objects.using(alias).create(
        category=Category.AUDIT,
        tag=PRUNED,
        actor_label=actor_label[:150],
        subject=f"{details['first']} to {details['last']}",
        outcome="broken" if is_broken else "",
        count=details["last"] - details["first"] + 1,
        details=details,
    )
    transaction.on_commit(partial(recorded, event), using=alias, robust=True)


class Pruner:
    """The pruning errand of one process."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Wait before the first look, as a new process does: each one for another time."""
        self._due = time.monotonic() + SECONDS * (0.1 + 0.9 * random.random())  # noqa: S311 (no secret)

    def run(self) -> None:
        """Prune what the settings do not keep, if it is time."""
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + SECONDS
        try:
            prune_all(Bounds.of_settings(timezone.now()), "mcp_guard")
        except (Broken, seal.NotAuthentic) as error:
            log.error("%s; “manage.py mcp_guard audit verify” says more", error)  # noqa: TRY400 (no traceback)


pruner: Final = Pruner()
"""The pruning errand of this process."""

os.register_at_fork(after_in_child=pruner.forget)


def run() -> None:
    """Prune if it is time; an errand."""
    pruner.run()
