"""What processes of a busy site have seen: a month of tallies and all kinds of refusals, hostile ones too."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.utils import timezone

from mcp_guard.audit import seal
from mcp_guard.audit.tally import day_of, hour_of
from mcp_guard.models import AuditEvent, GrantUse, Refusal, Shipment, Tally, TokenUse

APP = "https://app.partner.example"
DOORS = {
    ("notes", "request"): 4000,
    ("notes", "handshake"): 120,
    ("notes", "preflight"): 900,
    ("tools", "request"): 37,
    ("a-rather-long-name-of-an-endpoint-that-somebody-chose-for-clari", "request"): 10**15,
}


def see(hostile: str) -> None:
    """Make the rows; ``hostile`` goes wherever a stranger could put a text."""
    now = timezone.now()
    for (endpoint, exchange), often in DOORS.items():
        for hours in range(24):
            _tally("hour", hour_of(now - timedelta(hours=hours)), endpoint, exchange, _wave(often, hours))
        for days in range(1, 30):
            _tally("day", day_of(now - timedelta(days=days)), endpoint, exchange, _wave(often * 20, days))
    _tally("hour", hour_of(now), hostile[:63], "request", 1)
    long = f"https://{'long' * 15}.example"
    origins = (hostile, APP, "https://xn--bcher-kva.example", long)
    for number, origin in enumerate(origins):
        for outcome in ("refused", "would_refuse"):
            _refusal(origin, outcome, "origin_not_listed", 3 ** (number + 3), hostile)
    _refusal("https://spa.partner.example", "refused", "token_wrong_kind", 12, hostile)
    _refusal("", "would_refuse", "origin_not_listed", 4711, hostile, is_rest=True)
    Shipment.objects.update_or_create(destination=hostile[:80], defaults={"seq": 0, "failures": 3})


def _wave(often: int, step: int) -> int:
    return int(often * (1.2 + math.sin(step / 4)))


def record(hostile: str) -> AuditEvent:
    """Record events of every category, seal all but the last of them, and return a refused call."""
    caller = {"address": "2001:db8:1234:5678:9abc:def0:1234:5678", "endpoint": "notes", "client": "acme"}
    said = {"correlation_id": "5f0c3a1b9d2e4f60", "user_agent": f"Mozilla/5.0 {hostile}"[:200]}
    rows: list[dict[str, Any]] = [
        {"category": "socket", "tag": "socket:open", "token": "nightly import (#1)", "exchange": "handshake"},
        {"category": "socket", "tag": "socket:close", "outcome": "token_revoked", "exchange": "handshake",
         "details": {"code": 4401, "seconds": 3600.5, "received": 12, "sent": 4711}},
        {"category": "authentication", "tag": "authentication:failed", "outcome": "token_expired"} | said,
        {"category": "authentication", "tag": "authentication:failed", "outcome": "token_unknown",
         "count": 40213, "details": {"seconds": 60}},
        {"category": "refusal", "tag": "would_refuse", "outcome": "origin_not_listed", "count": 12},
        {"category": "call", "tag": "tool:call", "subject": hostile, "outcome": "tool_error",
         "details": {"ms": 12.5, "arguments": {"text": hostile * 4, "list": [hostile], "key": "[redacted]"}}},
    ]  # fmt: skip
    for row in rows:
        AuditEvent.objects.create(**caller | row)
    seal.seal_all()
    AuditEvent.objects.create(category="call", tag="tool:call", subject="x" * 320, outcome="ok", **caller)
    return AuditEvent.objects.filter(tag="tool:call").earliest("pk")


def _tally(period: str, start, endpoint: str, exchange: str, count: int) -> None:
    granted = "preflight" if exchange == "preflight" else "admitted"
    for outcome, part in ((granted, count), ("refused", count // 9), ("would_refuse", count // 7)):
        if outcome != "would_refuse" or exchange == "request":
            Tally.objects.create(
                period=period, start=start, endpoint=endpoint, exchange=exchange, outcome=outcome, count=part
            )


def _refusal(origin: str, outcome: str, reason: str, count: int, hostile: str, *, is_rest: bool = False):
    now = timezone.now()
    return Refusal.objects.create(
        key=uuid4().hex, endpoint="notes", exchange="request", reason=reason, outcome=outcome, origin=origin,
        host="api.example.com", client="" if is_rest else "acme", count=count, is_rest=is_rest,
        first_seen=now - timedelta(days=2), last_seen=now, address="2001:db8:85a3::8a2e:370:7334",
        user_agent=hostile * 3, hours={str(int(now.timestamp() // 3600) - n): n + 1 for n in range(40)},
        recent=[{"id": "0123456789abcdef", "at": now.isoformat(), "address": "192.0.2.1"}],
    )  # fmt: skip


def use(token, hostile: str) -> None:
    """Make rows of the use of a token: by two secrets, from several callers, one hostile, and of a grant."""
    now = timezone.now()
    callers = [
        ("203.0.113.9", "importer/2.1 (+https://partner.example/bot)"),
        ("2001:db8:85a3::8a2e:370:7334", hostile * 3),
        ("", ""),
    ]
    for days, secret in enumerate(token.secrets.all()):
        for hours, (address, agent) in enumerate(callers):
            at = now - timedelta(days=days, hours=hours)
            TokenUse.objects.create(
                token=token, secret=secret, endpoint="notes", address=address, user_agent=agent[:200],
                first_at=at, last_at=at,
            )  # fmt: skip
    GrantUse.objects.create(token=token, grant="tools/call:read_note", last_at=now)
