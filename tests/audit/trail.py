"""Events to be sealed, and what somebody with SQL does to them."""

from __future__ import annotations

from django.db import connection
from django.utils import timezone

from mcp_guard.audit import seal
from mcp_guard.models import AuditEvent

TABLE = "mcp_guard_auditevent"


def add_events(count: int, **values) -> None:
    """Add unsealed events, numbered in their subjects from 1."""
    values = {"category": "policy", "tag": "client:add", "actor_label": "ann", **values}
    AuditEvent.objects.bulk_create(
        AuditEvent(subject=f"client {number}", after={"number": number}, at=timezone.now(), **values)
        for number in range(1, count + 1)
    )


def seal_events(count: int, **values) -> None:
    """Add events and seal them."""
    add_events(count, **values)
    seal.seal_all()


def sql(statement: str, *parameters: object) -> None:
    """Run a statement as somebody would who knows how to get around the triggers."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET mcp_guard.sealing = 'on'")
        cursor.execute(statement, parameters)
        if connection.vendor == "postgresql":
            cursor.execute("RESET mcp_guard.sealing")


def rows() -> list[AuditEvent]:
    """Return all events in the order of the chain, unsealed ones last."""
    return sorted(AuditEvent.objects.all(), key=lambda row: (row.seq is None, row.seq or row.pk))
