"""Every kind of refusals that the inbox can show, also hostile ones, written as the inbox writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mcp_guard import changes, testing
from mcp_guard.audit import inbox_rows
from mcp_guard.audit.inbox import Glimpse, Group, Key
from mcp_guard.models import Client, Refusal

EVIL = '"><img src=x onerror=alert(1)><script>alert(2)</script>'
LONG = "https://" + ".".join(["verylonglabel" * 4] * 4) + ".example"
BROWSER = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)


def write_refusals() -> dict[str, int]:
    """Write them and return the numbers of those that have a page to look at."""
    rows = {
        "plain": _write("https://app.partner.test", every_hours=range(1, 160, 3)),
        "lookalike": _write("http://partner.examp1e:8443", client="partner"),
        "hostile": _write(f"https://{EVIL}", host=EVIL, user_agent=EVIL, client=EVIL),
        "rest": _write("", host="", is_rest=True, every_hours=range(40)),
        "approved": _write("https://approved.test"),
        "never": _write("https://scanner.test"),
        "widened": _write("https://widened.test", endpoint="notes-view"),
    }
    _write("https://app.partner.test", exchange="handshake")
    _write(LONG)
    _write("https://partner.example.evil.test")
    _write("null", reason="origin_null")
    _write("", reason="credential_missing")
    _write("https://reported.test", outcome="would_refuse", client="partner")
    partner = Client.objects.get(name="partner")
    changes.approve_refusal(testing.ACTOR, rows["approved"], changes.Approval(partner, ["notes"]))
    changes.set_refusal_aside(testing.ACTOR, rows["never"])
    testing.list_origin("https://widened.test", partner, "notes")
    return {name: row.pk for name, row in rows.items()}


def _write(
    origin: str, *, every_hours: range = range(3), user_agent: str = BROWSER, **values: object
) -> Refusal:
    fields = {
        "endpoint": "notes", "exchange": "request", "reason": "origin_not_listed", "outcome": "refused",
        "host": "mcp.example.com",
    }  # fmt: skip
    key = Key(**{**fields, "origin": origin, **values})
    group, now = Group(), datetime.now(UTC)
    for hours in reversed(every_hours):
        moment = (now - timedelta(hours=hours)).timestamp()
        for _ in range(1 + hours % 5):
            group.see(Glimpse(moment, f"{hours:016x}", "203.0.113.9", user_agent, "https://a.test", "h"))
    inbox_rows.write(inbox_rows.stored({key: group}), now)
    return Refusal.objects.get(key=inbox_rows.digest(next(iter(inbox_rows.stored({key: group})))))
