"""Verify the hash chain: read every sealed event once, in order, and say what is wrong and where.

After a fault the stored digest is taken as it is, so that one altered event is one fault and not one for
each event behind it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from django.db import router
from django.db.models import QuerySet, Subquery
from django.db.models.functions import Coalesce

from mcp_guard.audit import chain
from mcp_guard.audit.events import recorded
from mcp_guard.models import AuditEvent, AuditSeal

CHUNK: Final = 1000
"""How many events are in memory at a time."""

SHOWN: Final = 100
"""How many faults are told one by one; the others are counted."""

VERIFIED: Final = "audit:verify"
"""What the event is tagged with that says what a verification found."""

_TRIES: Final = 3


class Kind(Enum):
    """What may be wrong with the chain."""

    ALTERED = "altered"
    REMOVED = "removed"
    INSERTED = "inserted"
    CUT = "cut"
    END = "end"
    ANCHOR = "anchor"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. ``seq`` is the number of the first event concerned, 0 for none."""

    kind: Kind
    seq: int
    text: str


@dataclass(slots=True)
class Verdict:
    """What was found. ``first`` and ``last`` are the ends of what was read, ``anchor`` is to be written down.

    ``faults`` holds the first SHOWN of ``fault_count``. ``unsealed`` counts events that wait for their seal.
    """

    first: int = 0
    last: int = 0
    verified: int = 0
    unsealed: int = 0
    pruned: int = 0
    anchor: str = ""
    faults: list[Fault] = field(default_factory=list)
    fault_count: int = 0

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return self.fault_count == 0

    def add(self, kind: Kind, seq: int, text: str) -> None:
        """Note a fault."""
        self.fault_count += 1
        if len(self.faults) < SHOWN:
            self.faults.append(Fault(kind, seq, text))


def verify(anchors: Mapping[int, str] | None = None) -> Verdict:
    """Verify the chain, and that it goes through the digests that were written down elsewhere, by number.

    What is pruned or sealed meanwhile is no fault: it is read again.
    """
    alias = router.db_for_write(AuditEvent)
    verdict = Verdict()
    for _ in range(_TRIES):
        seal = _seal(alias)
        verdict = _Reading(alias, seal, dict(anchors or {})).verdict()
        if verdict.is_sound or _seal(alias).pruned_seq == seal.pruned_seq:
            break
    return verdict


def record(verdict: Verdict, actor_label: str) -> None:
    """Record what was found, by whom."""
    event = AuditEvent.objects.using(router.db_for_write(AuditEvent)).create(
        category=AuditEvent.Category.AUDIT,
        tag=VERIFIED,
        actor_label=actor_label[:150],
        subject=f"{verdict.first} to {verdict.last}",
        outcome="sound" if verdict.is_sound else "broken",
        details={"faults": verdict.fault_count, "places": sorted({each.seq for each in verdict.faults})[:20]},
    )
    recorded(event)


def _seal(alias: str) -> AuditSeal:
    return AuditSeal.objects.using(alias).filter(pk=1).first() or AuditSeal()


class _Reading:
    """One reading of the chain from its start to its end."""

    def __init__(self, alias: str, seal: AuditSeal, anchors: dict[int, str]) -> None:
        self._events: QuerySet[AuditEvent] = AuditEvent.objects.using(alias)
        self._seals = AuditSeal.objects.using(alias)
        self._seal = seal
        self._anchors = anchors
        self._verdict = Verdict(pruned=seal.pruned_seq, first=seal.pruned_seq + 1, last=seal.seq)
        self._seq, self._digest = seal.pruned_seq, chain.start(seal)
        self._was_faulty = False

    def verdict(self) -> Verdict:
        verdict, seal = self._verdict, self._seal
        verdict.anchor = chain.anchor(seal)
        if not chain.is_authentic(seal):
            text = "the ends of the chain have no valid MAC: they were altered, or the key was changed"
            verdict.add(Kind.END, seal.seq, text)
        for seq, digest in self._pruned_anchors():
            self._check_anchor(seq, digest, chain.start(seal) if seq == seal.pruned_seq else None)
        for event in self._sealed():
            self._read(event)
        self._conclude()
        verdict.unsealed = self._events.filter(seq=None).count()
        return verdict

    def _sealed(self) -> Iterator[AuditEvent]:
        """Yield the events up to the end of the chain in order, a chunk at a time."""
        last = -1
        while True:
            chunk = list(self._events.filter(seq__gt=last, seq__lte=self._seal.seq).order_by("seq")[:CHUNK])
            yield from chunk
            if len(chunk) < CHUNK:
                return
            last = chunk[-1].seq or 0

    def _read(self, event: AuditEvent) -> None:
        seq, verdict = event.seq or 0, self._verdict
        verdict.verified += 1
        if seq <= self._seal.pruned_seq:
            verdict.add(Kind.INSERTED, seq, f"{_named(event)} stands before the start of the chain")
            return
        if seq > self._seq + 1:
            verdict.add(Kind.REMOVED, self._seq + 1, f"{_range(self._seq + 1, seq - 1)} missing")
        elif chain.digest(self._digest, event) != event.digest:
            verdict.add(Kind.ALTERED, seq, self._altered(event))
        if seq in self._anchors:
            self._check_anchor(seq, self._anchors[seq], event.digest)
        self._seq, self._digest = seq, event.digest

    def _altered(self, event: AuditEvent) -> str:
        return (
            f"{_named(event)} is not what was sealed as number {event.seq}, or does not follow "
            f"{f'event {self._seq}' if self._seq else 'the start of the chain'}: "
            "one of the two was altered, inserted or moved"
        )

    def _conclude(self) -> None:
        """Compare the last event with the end of the chain, and look for what stands behind it."""
        seal, verdict = self._seal, self._verdict
        if self._seq < seal.seq:
            verdict.add(Kind.CUT, self._seq + 1, f"{_range(self._seq + 1, seal.seq)} cut off at the end")
        elif self._digest != chain.end(seal):
            verdict.add(Kind.END, seal.seq, f"event {seal.seq} is not the one that the chain ends with")
        now = Coalesce(Subquery(self._seals.values("seq")[:1]), 0)  # it may have moved on meanwhile
        for event in self._events.filter(seq__gt=now).order_by("seq")[:SHOWN]:
            verdict.add(Kind.INSERTED, event.seq or 0, f"{_named(event)} stands behind the end of the chain")
        for seq in [seq for seq in self._anchors if seq > seal.seq]:
            text = f"the chain ends with event {seal.seq}, though event {seq} was sealed: it was rolled back"
            verdict.add(Kind.ANCHOR, seq, text)

    def _pruned_anchors(self) -> list[tuple[int, str]]:
        return [(seq, digest) for seq, digest in self._anchors.items() if seq == self._seal.pruned_seq]

    def _check_anchor(self, seq: int, digest: str, found: str | None) -> None:
        if found != digest:
            text = f"event {seq} has the digest {found}, not the one written down: the chain was rewritten"
            self._verdict.add(Kind.ANCHOR, seq, text)


def _named(event: AuditEvent) -> str:
    return f"event {event.seq} (row {event.pk})"


def _range(first: int, last: int) -> str:
    return f"event {first} is" if first == last else f"events {first} to {last} are"
