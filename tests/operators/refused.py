"""Rows of refusals, written as the inbox writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from mcp_guard.audit import inbox_rows
from mcp_guard.audit.inbox import Glimpse, Group, Key
from mcp_guard.models import Refusal

ORIGIN = "https://app.example.com"
CORRELATION_ID = "5f0c3a1b9d2e4f60"


def refusal(origin: str = ORIGIN, count: int = 1, user_agent: str = "Probe/1", **values: Any) -> Refusal:
    """Return the row of refusals as the inbox writes it."""
    fields = {"endpoint": "notes", "exchange": "request", "reason": "origin_not_listed", "outcome": "refused"}
    key = Key(**{**fields, "origin": origin, "host": "testserver", **values})
    group = Group()
    for _ in range(count):
        group.see(Glimpse(datetime.now(UTC).timestamp(), CORRELATION_ID, "203.0.113.9", user_agent, "", ""))
    inbox_rows.write(inbox_rows.stored({key: group}), datetime.now(UTC))
    return Refusal.objects.get(key=inbox_rows.digest(key))
