"""The outbox of each destination: the sealed events behind its watermark, taken by one shipper at a time.

Nothing is copied. The watermark is a row, moved after the collector has taken a batch, by the holder of the
lease alone and only from where that batch began; so it never moves back, and a shipper that lost its lease,
or died at any moment, can at worst have events sent twice.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from django.db import models, router, transaction

from mcp_guard.audit.alerts import alerts
from mcp_guard.audit.events import recorded
from mcp_guard.conf.destinations import Destination
from mcp_guard.models import AuditEvent, AuditSeal, Shipment

log = logging.getLogger("mcp_guard.audit.ship")

LEASE_MARGIN: Final = timedelta(seconds=5)
"""How much longer a lease is than one batch may take."""

GAP: Final = "audit:gap"
"""Tag of the event that says which events were gone before they could be shipped, or are shipped again."""

SKIP: Final = "audit:skip"
"""Tag of the event that says which event an operator had left out."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to ship to one destination, from behind ``seq``."""

    destination: Destination
    holder: str
    seq: int
    failures: int


@dataclass(frozen=True, slots=True)
class Batch:
    """The events to ship, in order, of those up to the number ``last``."""

    last: int
    events: list[AuditEvent]


def claim(destination: Destination, holder: str, now: datetime, *, even_early: bool = False) -> Lease | None:
    """Take the lease; None when another shipper has it, nothing is sealed, or it is not time to try again."""
    rows = _rows()
    row = rows.filter(pk=destination.name).first()
    sealed = _seal()  # read after the watermark, which is never beyond it then
    row = row or rows.get_or_create(pk=destination.name, defaults={"seq": sealed.pruned_seq})[0]
    if row.seq > sealed.seq:
        _begin_again(row, sealed, now)
        row = rows.get(pk=row.pk)
    if row.seq >= sealed.seq or (row.next_at is not None and row.next_at > now and not even_early):
        return None
    until = now + timedelta(seconds=destination.timeout) + LEASE_MARGIN
    is_free = models.Q(leased_until=None) | models.Q(leased_until__lt=now) | models.Q(leased_by=holder)
    if not rows.filter(is_free, pk=row.pk).update(leased_by=holder, leased_until=until):
        return None
    row = rows.get(pk=row.pk)
    return Lease(destination, holder, row.seq, row.failures)


def reached(row: Shipment, sealed: AuditSeal) -> int:
    """Return up to which event a destination has all that is kept: nothing where its watermark cannot be.

    The chain was rolled back then, and nobody knows which of the numbers behind were given anew.
    """
    return row.seq if row.seq <= sealed.seq else sealed.pruned_seq


def _begin_again(row: Shipment, sealed: AuditSeal, now: datetime) -> None:
    """Put a watermark beyond the end back to the start of what is kept, and record that."""
    alias, start = _alias(), reached(row, sealed)
    with transaction.atomic(using=alias):
        behind = _rows().filter(pk=row.pk, seq=row.seq)
        if not behind.update(seq=start, leased_by="", leased_until=None):
            return
        details = {"from": row.seq, "to": start, "sealed": sealed.seq}
        event = AuditEvent.objects.using(alias).create(
            at=now, category=AuditEvent.Category.AUDIT, tag=GAP, subject=row.pk, outcome="shipped again",
            count=max(1, sealed.seq - start), details=details,
        )  # fmt: skip
        transaction.on_commit(partial(recorded, event), using=alias, robust=True)
    log.error(
        "%s had event %s, but the chain ends with %s; all is shipped again", row.pk, row.seq, sealed.seq
    )


def batch(lease: Lease, limit: int) -> Batch | None:
    """Return the next events, at most ``limit``; None when the ones behind the watermark are gone.

    What is sealed is seen in the order of its numbers, so an event with a lower number never appears later.
    """
    following = AuditEvent.objects.using(_alias()).filter(seq__gt=lease.seq).order_by("seq")
    found = list(_without_hole(following[:limit], lease.seq + 1))
    if not found:
        return None
    chosen = [event for event in found if _is_chosen(lease.destination, event)]
    return Batch(lease.seq + len(found), chosen)


def _without_hole(events: models.QuerySet[AuditEvent], first: int) -> Iterator[AuditEvent]:
    for expected, event in enumerate(events, first):
        if event.seq != expected:
            return
        yield event


def _is_chosen(destination: Destination, event: AuditEvent) -> bool:
    if destination.alerts_only and not alerts(event):
        return False
    rules = destination.events
    return rules is None or any(rule.chooses(str(event.category), event.tag, event.outcome) for rule in rules)


def advance(lease: Lease, last: int, now: datetime) -> bool:
    """Move the watermark behind an event and give the lease back; return whether it was still held."""
    return bool(
        _held(lease).update(
            seq=last, shipped_at=now, failures=0, last_error="", next_at=None, leased_until=None
        )
    )


def release(lease: Lease) -> None:
    """Give the lease back without having done anything."""
    _held(lease).update(leased_until=None)


def give_up(lease: Lease, error: str, next_at: datetime | None) -> None:
    """Note a failure, and when to try again, and give the lease back."""
    _held(lease).update(
        failures=models.F("failures") + 1, last_error=error, next_at=next_at, leased_until=None
    )


def pass_gap(lease: Lease, now: datetime) -> int:
    """Move the watermark over events that are gone, record which ones, and return how many.

    They were pruned before they could be shipped, which is counted, or somebody removed them.
    """
    alias = _alias()
    following = AuditEvent.objects.using(alias).filter(seq__gt=lease.seq).order_by("seq")
    sealed = _seal()
    next_seq = following.values_list("seq", flat=True).first()
    last = sealed.seq if next_seq is None else next_seq - 1
    if last <= lease.seq:
        return 0
    pruned = max(0, min(last, sealed.pruned_seq) - lease.seq)
    details = {"from": lease.seq + 1, "to": last, "pruned": pruned}
    _leave_out(lease, now, GAP, details)
    return last - lease.seq


def skip(lease: Lease, now: datetime, actor: str) -> None:
    """Leave out the next event on an operator's word, and record that."""
    _leave_out(lease, now, SKIP, {"from": lease.seq + 1, "to": lease.seq + 1}, actor)


def _leave_out(lease: Lease, now: datetime, tag: str, details: dict[str, Any], actor: str = "") -> None:
    """Move the watermark and record why in one transaction; neither when the lease was lost."""
    alias = _alias()
    with transaction.atomic(using=alias):
        if not advance(lease, details["to"], now):
            return
        event = AuditEvent.objects.using(alias).create(
            at=now, category=AuditEvent.Category.AUDIT, tag=tag, subject=lease.destination.name,
            outcome="not shipped", count=details["to"] - lease.seq, details=details, actor_label=actor[:150],
        )  # fmt: skip
        transaction.on_commit(partial(recorded, event), using=alias, robust=True)


def _held(lease: Lease) -> models.QuerySet[Shipment]:
    return _rows().filter(pk=lease.destination.name, leased_by=lease.holder, seq=lease.seq)


def _rows() -> models.QuerySet[Shipment]:
    return Shipment.objects.using(_alias())


def _seal() -> AuditSeal:
    return AuditSeal.objects.using(_alias()).filter(pk=1).first() or AuditSeal()


def _alias() -> str:
    return router.db_for_write(AuditEvent)
