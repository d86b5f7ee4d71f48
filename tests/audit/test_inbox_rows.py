"""The rows of refusals: grouped, bounded over all processes, exact, and harmless whatever was sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext

from mcp_guard.audit import inbox_rows, refusals
from mcp_guard.audit.inbox import HOUR, HOURS, RECENT, Glimpse, Group, Inbox, Key
from mcp_guard.conf import config
from mcp_guard.models import Refusal, RefusalWindow
from mcp_guard.policy.decision import Reason
from mcp_guard.policy.origin import MAX_LENGTH
from tests.live.heads import endpoint, head

NOW = datetime(2030, 1, 1, 12, 30, tzinfo=UTC)
TOKEN = "mcpg_" + "A" * 43

pytestmark = pytest.mark.django_db


@pytest.fixture
def box(monkeypatch) -> Inbox:
    """Return an inbox of this test's own."""
    box = Inbox()
    monkeypatch.setattr(inbox_rows, "inbox", box)
    monkeypatch.setattr(refusals, "inbox", box)
    return box


@pytest.fixture
def bounds(settings):
    """Return a function that sets the bounds of the rows."""

    def bound(**values: int) -> None:
        settings.MCP_GUARD = {**settings.MCP_GUARD, **values}

    return bound


def key(origin: str = "https://a.example", **values: Any) -> Key:
    fields = {"endpoint": "notes", "exchange": "request", "reason": "origin_not_listed", "outcome": "refused"}
    return Key(**{**fields, "origin": origin, "host": "testserver", **values})


def group(count: int = 1, at: datetime = NOW, correlation_id: str = "5f0c3a1b9d2e4f60") -> Group:
    found = Group()
    for _ in range(count):
        found.see(Glimpse(at.timestamp(), correlation_id, "203.0.113.9", "Probe/1", "https://a.example", "h"))
    return found


def write(*pairs: tuple[Key, Group], now: datetime = NOW) -> None:
    inbox_rows.write(inbox_rows.stored(dict(pairs)), now)


def flood(count: int, start: int = 0, times: int = 1, now: datetime = NOW) -> None:
    write(*((key(f"https://{n}.example"), group(times, now)) for n in range(start, start + count)), now=now)


def total() -> int:
    return Refusal.objects.aggregate(total=Sum("count"))["total"] or 0


def test_a_refusal_of_the_gate_becomes_a_row(box):
    asked = head(endpoint("notes"), origin="https://evil.example", user_agent="Probe/1")
    refusals.note(endpoint("notes"), asked, Reason.ORIGIN_NOT_LISTED, "5f0c3a1b9d2e4f60", "acme")

    inbox_rows.flush()

    row = Refusal.objects.get()
    assert (row.endpoint, row.exchange, row.reason) == ("notes", "request", "origin_not_listed")
    assert (row.origin, row.host, row.client) == ("https://evil.example", "testserver", "acme")
    assert (row.outcome, row.state, row.count, row.is_rest) == ("refused", "open", 1, False)
    assert (row.address, row.user_agent) == ("127.0.0.1", "Probe/1")
    assert row.first_seen == row.last_seen
    assert [(one["id"], one["address"]) for one in row.recent] == [("5f0c3a1b9d2e4f60", "127.0.0.1")]
    assert list(row.hours.values()) == [1]


def test_what_report_only_let_in_is_told_from_refusals(box):
    asked = head(endpoint("notes"), origin="https://evil.example")
    refusals.note_would_refuse(endpoint("notes"), asked, Reason.ORIGIN_NOT_LISTED, "acme")
    refusals.note(endpoint("notes"), asked, Reason.ORIGIN_NOT_LISTED, "5f0c3a1b9d2e4f60", "acme")

    inbox_rows.flush()

    found = Refusal.objects.order_by("outcome").values_list("outcome", "client", "count")
    assert list(found) == [("refused", "acme", 1), ("would_refuse", "acme", 1)]


def test_the_same_again_is_added_to_its_row():
    later = NOW + timedelta(hours=2)
    write((key(), group(RECENT + 2, NOW, "before")))
    write((key(), group(3, later, "after")), now=later)

    row = Refusal.objects.get()

    assert (row.count, row.first_seen, row.last_seen) == (RECENT + 5, NOW, later)
    assert [one["id"] for one in row.recent] == ["after"] * 3 + ["before"] * (RECENT - 3)
    assert row.hours == {
        str(int(NOW.timestamp() // HOUR)): RECENT + 2, str(int(later.timestamp() // HOUR)): 3
    }  # fmt: skip


def test_only_the_latest_hours_are_kept():
    for number in range(HOURS + 3):
        moment = NOW + timedelta(hours=number)
        write((key(), group(1, moment)), now=moment)

    row = Refusal.objects.get()

    assert row.count == HOURS + 3
    assert len(row.hours) == HOURS
    assert str(int((NOW + timedelta(hours=HOURS + 2)).timestamp() // HOUR)) in row.hours


def test_new_rows_within_an_hour_are_bounded_and_the_others_counted(bounds):
    bounds(REFUSAL_ROWS_PER_HOUR=20)

    flood(100, times=2)
    flood(100, start=1000, times=2)

    assert Refusal.objects.filter(is_rest=False).count() == 20
    rest = Refusal.objects.get(is_rest=True)
    assert (rest.count, rest.origin, rest.host, rest.client) == (360, "", "", "")
    assert rest.recent[0]["origin"] == "https://a.example"
    assert total() == 400


def test_the_next_hour_has_room_again(bounds):
    bounds(REFUSAL_ROWS_PER_HOUR=20)
    flood(30, times=2)
    flood(30, start=100, times=2, now=NOW + timedelta(hours=1))

    assert Refusal.objects.filter(is_rest=False).count() == 40


def test_a_clock_that_is_behind_makes_no_more_room(bounds):
    bounds(REFUSAL_ROWS_PER_HOUR=20)
    hour = timedelta(hours=1)
    for number in range(4):
        flood(30, start=number * 100, times=2, now=NOW - number % 2 * hour)

    assert Refusal.objects.filter(is_rest=False).count() == 20
    assert RefusalWindow.objects.get().hour == int(NOW.timestamp() // HOUR)


def test_what_comes_but_once_leaves_room_for_what_comes_again(bounds):
    bounds(REFUSAL_ROWS_PER_HOUR=20)
    flood(100)

    write((key("https://partner.example"), group(2)))

    assert Refusal.objects.filter(is_rest=False).count() == 16
    assert Refusal.objects.get(origin="https://partner.example").count == 2


def test_what_came_most_often_gets_its_row_first(bounds):
    bounds(REFUSAL_ROWS_PER_HOUR=10)
    pairs = [(key(f"https://{n}.example"), group(2)) for n in range(50)]

    write(*pairs, (key("https://partner.example"), group(5)))

    assert Refusal.objects.filter(origin="https://partner.example").exists()


def test_rows_altogether_are_bounded_and_those_that_give_way_are_counted(bounds):
    bounds(REFUSAL_ROWS=100, REFUSAL_ROWS_PER_HOUR=100)
    write((key("https://partner.example"), group(9)))
    for hour in range(5):
        flood(60, start=hour * 60, times=2, now=NOW + timedelta(hours=hour))

    assert Refusal.objects.filter(is_rest=False).count() == 100
    assert total() == 9 + 600
    assert Refusal.objects.get(origin="https://partner.example").count == 9


def test_what_was_set_aside_never_gives_way(bounds):
    bounds(REFUSAL_ROWS=100, REFUSAL_ROWS_PER_HOUR=1000)
    flood(100)
    Refusal.objects.update(state="never", decided_by="root")

    flood(10, start=500, times=2)

    assert Refusal.objects.filter(is_rest=False).count() == 100
    assert total() == 120


def test_rows_of_this_very_flush_count_too(bounds):
    bounds(REFUSAL_ROWS=100, REFUSAL_ROWS_PER_HOUR=1000)
    flood(100, times=2)
    flood(200, times=2)

    assert Refusal.objects.filter(is_rest=False).count() <= 100
    assert total() == 600


def test_open_rows_that_did_not_come_again_are_pruned(bounds):
    bounds(REFUSAL_DAYS=30)
    write((key("https://old.example"), group()))
    write((key("https://never.example"), group()))
    Refusal.objects.filter(origin="https://never.example").update(state="never", decided_by="root")
    later = NOW + timedelta(days=31)

    write((key(), group(1, later)), now=later)

    origins = set(Refusal.objects.values_list("origin", flat=True))
    assert origins == {"https://never.example", "https://a.example"}


def test_a_group_of_an_origin_that_was_set_aside_is_set_aside():
    write((key(), group()))
    Refusal.objects.update(state="never", decided_by="root")

    write(
        (key(host="other"), group()),
        (key(endpoint="tools"), group()),
        (key("https://b.example"), group()),
    )

    states = {(row.endpoint, row.origin, row.host): row.state for row in Refusal.objects.all()}
    assert states == {
        ("notes", "https://a.example", "testserver"): "never",
        ("notes", "https://a.example", "other"): "never",
        ("tools", "https://a.example", "testserver"): "open",
        ("notes", "https://b.example", "testserver"): "open",
    }


def test_setting_aside_one_without_an_origin_sets_no_other_aside():
    write((key(""), group()))
    Refusal.objects.update(state="never", decided_by="root")

    write((key("", host="other"), group()))

    assert Refusal.objects.get(host="other").state == "open"


def test_what_is_refused_long_after_it_was_approved_is_open_again():
    write((key(), group()))
    Refusal.objects.update(state="approved", decided_by="root", decided_at=NOW)

    write((key(), group(1, NOW + timedelta(seconds=10))))
    assert Refusal.objects.get().state == "approved"

    write((key(), group(1, NOW + timedelta(days=8))))
    assert Refusal.objects.get().state == "open"


HOSTILE = ["\x00", "\r\nSet-Cookie: x", "<script>alert(1)</script>", "\x1b[2J", "\xe2\x80\xae", "\x85"]


@pytest.mark.parametrize("sign", HOSTILE)
def test_hostile_strings_are_stored_harmless(box, sign):
    name = f"https://{sign}.example"
    asked = head(endpoint("notes"))._replace(
        headers={
            b"origin": name.encode("latin-1", "replace"),
            b"host": sign.encode("latin-1", "replace") * 300,
            b"user-agent": sign.encode("latin-1", "replace") * 300,
        }
    )
    refusals.note(endpoint("notes"), asked, Reason.ORIGIN_MALFORMED, "5f0c3a1b9d2e4f60")

    inbox_rows.flush()

    row = Refusal.objects.get()
    assert row.origin.startswith("https://")
    for stored in (row.origin, row.host, row.user_agent):
        assert stored.isprintable()
    assert (len(row.host), len(row.user_agent)) == (260, 200)


def test_an_origin_that_was_cut_is_seen_to_be(box):
    asked = head(endpoint("notes"), origin="https://" + "a" * MAX_LENGTH)
    refusals.note(endpoint("notes"), asked, Reason.ORIGIN_MALFORMED, "5f0c3a1b9d2e4f60")

    inbox_rows.flush()

    origin = Refusal.objects.get().origin
    assert (len(origin), origin[-1]) == (MAX_LENGTH, "…")


@pytest.mark.parametrize("header", ["origin", "host", "user-agent", "x-forwarded-for"])
def test_no_token_text_is_stored(box, header):
    asked = head(endpoint("notes"))._replace(headers={header.encode(): f"https://{TOKEN}".encode()})
    refusals.note(endpoint("notes"), asked, Reason.ORIGIN_MALFORMED, "5f0c3a1b9d2e4f60")

    inbox_rows.flush()

    assert "AAAA" not in repr(list(Refusal.objects.values()))
    assert Refusal.objects.count() == 1


def test_a_write_that_fails_loses_nothing(box, monkeypatch):
    asked = head(endpoint("notes"), origin="https://evil.example")
    for number in range(3):
        refusals.note(endpoint("notes"), asked, Reason.ORIGIN_NOT_LISTED, f"{number:016}")

    def fail(*_: object) -> None:
        raise DatabaseError

    with monkeypatch.context() as broken:
        broken.setattr(inbox_rows, "write", fail)
        with pytest.raises(DatabaseError):
            inbox_rows.flush()
    refusals.note(endpoint("notes"), asked, Reason.ORIGIN_NOT_LISTED, "5f0c3a1b9d2e4f60")
    inbox_rows.flush()

    row = Refusal.objects.get()
    assert (row.count, row.recent[0]["id"]) == (4, "5f0c3a1b9d2e4f60")


def test_nothing_is_asked_of_the_database_when_nothing_was_refused(box):
    with CaptureQueriesContext(
        connection,
    ) as queries:
        inbox_rows.Pace().flush_when_due()
        inbox_rows.flush()

    assert len(queries) == 0


def test_the_number_of_queries_does_not_grow_with_the_groups():
    flood(2, times=2)
    counts = []
    for count in (1, 50):
        with CaptureQueriesContext(connection) as queries:
            flood(count, start=100, times=2)
        counts.append(len(queries))

    assert counts[1] <= counts[0]


def test_the_window_counts_what_was_made():
    flood(7)

    window = RefusalWindow.objects.get()
    assert (window.rows, window.hour) == (7, int(NOW.timestamp() // HOUR))
    assert config().refusal_rows_per_hour == 500
