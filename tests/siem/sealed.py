"""Sealed events, and what takes them away again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from mcp_guard.audit import prune as pruning
from mcp_guard.audit import seal as sealer
from mcp_guard.models import AuditEvent, AuditSeal
from mcp_guard.sealing import sealing

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def seal(count: int = 1, **values: Any) -> None:
    """Add so many events and seal them."""
    given = {"tag": "client:add", "subject": "client", "at": NOW} | values
    AuditEvent.objects.bulk_create(AuditEvent(**given) for _ in range(count))
    sealer.seal_all()


def prune(up_to: int) -> None:
    """Prune up to a number, as retention does, but for the event that says so."""
    with transaction.atomic(), sealing("default"):
        ends = sealer.lock("default")
        assert ends is not None
        pruning._advance("default", ends, up_to)
        AuditEvent.objects.filter(seq__lte=up_to).delete()
        sealer.save("default", ends)


def remove(numbers: Iterable[int]) -> None:
    """Remove sealed events as nobody should."""
    with transaction.atomic(), sealing("default"):
        AuditEvent.objects.filter(seq__in=numbers).delete()


def sealed() -> int:
    """Return the number of the last sealed event."""
    return AuditSeal.objects.get().seq
