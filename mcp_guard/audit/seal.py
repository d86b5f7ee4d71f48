"""Seal events into the hash chain: any process does it, one at a time, a bounded batch in a transaction.

A crash leaves a batch sealed or not sealed, nothing between. A chain whose end is not authentic is not
continued: that would cover up whatever was done to it.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from functools import partial
from typing import Any, Final

from django.apps import AppConfig
from django.core.exceptions import ValidationError
from django.db import connections, router, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.models import F
from django.utils import timezone

from mcp_guard.audit import chain, events
from mcp_guard.audit.events import Category, Event
from mcp_guard.live.refresher import progress
from mcp_guard.models import AuditEvent, AuditSeal, Shipment
from mcp_guard.sealing import sealing

log = logging.getLogger("mcp_guard.seal")

BATCH: Final = 200
"""How many events one transaction seals."""

TURNS: Final = 10
"""How many batches a process seals at a time; what it has to write meanwhile does not wait longer."""

SECONDS: Final = 15.0
"""How often a process that wrote no events itself looks whether there are any to seal."""

ROLLED_BACK: Final = "audit:rolled_back"
"""What an event is tagged with that says the chain ends earlier than it did before."""


ACCEPTED: Final = "audit:accept"
"""What the event is tagged with that says that an operator had the chain go on from what was there."""


class NotAuthentic(RuntimeError):
    """The end of the chain is not what a process with the key has written; nothing more is sealed."""


def lock(alias: str, *, waits: bool = False) -> AuditSeal | None:
    """Return the ends of the chain, locked by the running transaction.

    None while another one holds them, unless this one ``waits`` for it.

    Raises:
        NotAuthentic: when they were changed or removed by somebody without the key, or the key was changed.
    """
    seal = _lock(alias, waits=waits)
    if seal is not None:
        _authenticate(alias, seal)
    elif not AuditSeal.objects.using(alias).filter(pk=1).exists():
        raise NotAuthentic("the row with the ends of the audit chain is missing")
    return seal


def _lock(alias: str, *, waits: bool) -> AuditSeal | None:
    features = connections[alias].features
    seals = AuditSeal.objects.using(alias)
    if not features.has_select_for_update:  # a write takes the lock as well
        seals.filter(pk=1).update(seq=F("seq"))
    skips = features.has_select_for_update_skip_locked and not waits
    return seals.select_for_update(skip_locked=skips).filter(pk=1).first()


def make_empty(alias: str, model: type[AuditSeal] = AuditSeal) -> None:
    """Make the ends of an empty chain with their MAC, where there is no row of them."""
    blank = model(pk=1)
    model._default_manager.using(alias).get_or_create(pk=1, defaults={"mac": chain.mac(blank)})


def make_empty_after_flush(sender: AppConfig, using: str, **given: Any) -> None:
    """Make them again after ``flush``, and where the tables are made without migrations.

    ``migrate`` makes them once, in the migration. It does not make them again, since a row that is missing
    in a database in use was removed by somebody.
    """
    is_migrated = "plan" in given and MigrationLoader.migrations_module(sender.label)[0] is not None
    if not is_migrated and router.allow_migrate_model(using, AuditSeal):
        make_empty(using)


def save(alias: str, seal: AuditSeal) -> None:
    """Write the ends of the chain with their MAC."""
    seal.sealed_at = timezone.now()
    seal.mac = chain.mac(seal)
    seal.save(using=alias)


def seal_batch(limit: int = BATCH, *, waits: bool = False) -> int:
    """Seal the next events in the order of their ids and return how many.

    0 is none, or another's turn, unless this one ``waits`` for its own.

    Raises:
        NotAuthentic: see ``lock``.
    """
    alias = router.db_for_write(AuditEvent)
    with transaction.atomic(using=alias):
        seal = lock(alias, waits=waits)
        if seal is None:
            return 0
        unsealed = list(AuditEvent.objects.using(alias).filter(seq=None).order_by("pk")[:limit])
        if unsealed:
            _append(alias, seal, unsealed)
    sealer.remember(seal)
    return len(unsealed)


def accept(actor_label: str) -> None:
    """Go on from the last sealed event that is there, although the end is not authentic, and record that.

    Raises:
        ValidationError: when there is nothing to accept.
    """
    alias = router.db_for_write(AuditEvent)
    with transaction.atomic(using=alias):
        AuditSeal.objects.using(alias).get_or_create(pk=1)  # blank, so not authentic, if it was removed
        seal = AuditSeal.objects.using(alias).select_for_update().get(pk=1)
        try:
            _authenticate(alias, seal)
        except NotAuthentic as error:
            before, why = chain.anchor(seal), str(error)
        else:
            raise ValidationError("the end of the chain is authentic; there is nothing to accept")
        last = AuditEvent.objects.using(alias).filter(seq__gt=seal.pruned_seq).order_by("-seq").first()
        seal.seq = seal.pruned_seq if last is None else last.seq or 0
        seal.digest = seal.pruned_digest if last is None else last.digest
        save(alias, seal)
        _ship_again(alias, seal)
        details = {"from": before, "to": chain.anchor(seal), "why": why}
        event = AuditEvent.objects.using(alias).create(
            category=Category.AUDIT, tag=ACCEPTED, actor_label=actor_label[:150], details=details
        )
        transaction.on_commit(partial(events.recorded, event), using=alias, robust=True)


def _ship_again(alias: str, seal: AuditSeal) -> None:
    """Put watermarks back that are beyond the end: the numbers behind it are given to other events.

    Who is shipping at this moment loses the lease, so that no watermark goes beyond it again.
    """
    rows = Shipment.objects.using(alias)
    rows.update(leased_by="", leased_until=None)
    rows.filter(seq__gt=seal.seq).update(seq=seal.seq)


def seal_all() -> int:
    """Seal whatever there is and return how many events that were; waits while another process seals.

    Raises:
        NotAuthentic: see ``lock``.
    """
    total = 0
    while sealed := seal_batch(waits=True):
        total += sealed
        progress()
    return total


def _append(alias: str, seal: AuditSeal, unsealed: list[AuditEvent]) -> None:
    for event in unsealed:
        seal.seq += 1
        event.seq = seal.seq
        seal.digest = event.digest = chain.digest(chain.end(seal), event)
    table = connections[alias].ops.quote_name(AuditEvent._meta.db_table)
    statement = f"UPDATE {table} SET seq = %s, digest = %s WHERE id = %s"  # noqa: S608 (the table's own name)
    with sealing(alias), connections[alias].cursor() as cursor:  # four times as fast as bulk_update
        cursor.executemany(statement, [(event.seq, event.digest, event.pk) for event in unsealed])
    save(alias, seal)
    log.info("sealed up to %s", chain.anchor(seal))


def _authenticate(alias: str, seal: AuditSeal) -> None:
    if not chain.is_authentic(seal):
        raise NotAuthentic("the end of the audit chain has no valid MAC: it was altered, or the key changed")
    last = AuditEvent.objects.using(alias).filter(seq__gte=seal.seq).order_by("seq")
    found = list(last.values_list("seq", "digest")[:2])
    if found != ([] if seal.seq == seal.pruned_seq else [(seal.seq, seal.digest)]):
        raise NotAuthentic(f"the audit chain does not end with event {seal.seq} as it was sealed")


class Sealer:
    """The errand of one process: seals at once what the process wrote, and now and then what others left."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Know nothing of the chain, as a new process does."""
        self._lock = threading.Lock()
        self._due = 0.0
        self._complained_at = float("-inf")
        self._end = (0, "")
        self._written = 0

    def run(self) -> None:
        """Seal if it is time; a chain that must not be continued is complained about once in a while."""
        now = time.monotonic()
        if now < self._due and self._written == events.recorder.written:
            return
        self._written = events.recorder.written
        self._due = now + SECONDS
        try:
            if AuditEvent.objects.using(router.db_for_write(AuditEvent)).filter(seq=None).exists():
                self._take_turns()
        except NotAuthentic as error:
            if now - self._complained_at > 20 * SECONDS:
                self._complained_at = now
                log.error("%s; “manage.py mcp_guard audit verify” says more", error)  # noqa: TRY400 (no traceback)

    def _take_turns(self) -> None:
        """Seal some batches; the rest is due at once, after others of this thread had their turn."""
        for _ in range(TURNS):
            sealed = seal_batch()
            progress()
            if sealed < BATCH:
                return
        self._due = 0.0

    def remember(self, seal: AuditSeal) -> None:
        """Keep where the chain ended; one that ends earlier later on was rolled back, which is recorded."""
        with self._lock:
            before, self._end = self._end, (seal.seq, seal.digest)
        if seal.seq < before[0]:
            known = f"{before[0]}:{before[1]}"
            log.error("the audit chain was rolled back from %s to %s", known, chain.anchor(seal))
            details = {"from": known, "to": chain.anchor(seal)}
            events.put(Event(Category.AUDIT, ROLLED_BACK, outcome="rolled_back", details=details))


sealer: Final = Sealer()
"""The sealing errand of this process."""

os.register_at_fork(after_in_child=sealer.forget)


def run() -> None:
    """Seal if it is time; an errand."""
    sealer.run()


def run_last() -> None:
    """Seal what is there and forget where the chain ends, at the end of the thread."""
    sealer.run()
    sealer.forget()
