"""Tallies: what processes count is written in sums that lose nothing, and grows old in few rows."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import OperationalError
from django.db.models import Sum
from django.utils import timezone

from mcp_guard.audit import counts, tally
from mcp_guard.audit.tally import Tallies, day_of, fold, hour_of
from mcp_guard.models import Revision, Tally

pytestmark = pytest.mark.usefixtures("db")

NOW = datetime(2026, 3, 29, 12, 34, 56, tzinfo=UTC)
MINUTE = NOW.replace(second=0)


@pytest.fixture
def decisions(monkeypatch):
    monkeypatch.setattr(counts, "decisions", counts.Counts())
    return counts.decisions


@pytest.fixture
def tallies(decisions) -> Tallies:
    return Tallies()


def rows() -> dict[tuple[str, datetime, str, str, str], int]:
    names = ("period", "start", "endpoint", "exchange", "outcome", "count")
    return {tuple(row[:5]): row[5] for row in Tally.objects.values_list(*names)}


def total() -> int:
    return Tally.objects.aggregate(n=Sum("count"))["n"] or 0


def add(period: str, start: datetime, count: int = 1, endpoint: str = "notes", outcome: str = "admitted"):
    return Tally.objects.create(
        period=period, start=start, endpoint=endpoint, exchange="request", outcome=outcome, count=count
    )


class TestWriting:
    def test_each_counter_is_added_to_the_row_of_its_minute_and_outcome(self, tallies, decisions):
        for outcome in ("admitted", "origin_not_listed", "origin_null", "would_refuse:origin_not_listed"):
            decisions.count("notes", "request", outcome)
        decisions.count("notes", "preflight", "preflight")

        tallies.look(NOW)
        tallies.write()

        assert rows() == {
            ("minute", MINUTE, "notes", "request", "admitted"): 1,
            ("minute", MINUTE, "notes", "request", "refused"): 2,
            ("minute", MINUTE, "notes", "request", "would_refuse"): 1,
            ("minute", MINUTE, "notes", "preflight", "preflight"): 1,
        }

    def test_only_differences_are_written(self, tallies, decisions):
        for _ in range(3):
            decisions.count("notes", "request", "admitted")
            tallies.look(NOW)
            tallies.write()

        assert rows() == {("minute", MINUTE, "notes", "request", "admitted"): 3}

    def test_what_came_before_a_minute_ended_counts_for_it_though_written_later(self, tallies, decisions):
        decisions.count("notes", "request", "admitted")
        tallies.look(NOW)
        decisions.count("notes", "request", "admitted")
        tallies.look(NOW + timedelta(minutes=1))
        tallies.write()

        assert sorted(row[1] for row in rows()) == [MINUTE, MINUTE + timedelta(minutes=1)]

    def test_nothing_is_asked_of_the_database_when_nothing_came(
        self, tallies, decisions, django_assert_num_queries
    ):
        with django_assert_num_queries(0):
            tallies.record()
            tallies.record_all()

    def test_it_is_written_now_and_then_and_all_of_it_in_the_end(self, tallies, decisions):
        decisions.count("notes", "request", "admitted")
        tallies.record()
        decisions.count("notes", "request", "admitted")
        tallies.record()
        assert (total(), tallies.pending) == (1, 1)

        tallies.record_all()

        assert (total(), tallies.pending) == (2, 0)

    def test_a_write_that_fails_loses_nothing_and_leaves_nothing_half_written(
        self, tallies, decisions, monkeypatch
    ):
        create, calls = Tally.objects._queryset_class.create, []

        def fail_at_the_second(self, **values):
            calls.append(values)
            if len(calls) == 2:
                raise OperationalError
            return create(self, **values)

        monkeypatch.setattr(Tally.objects._queryset_class, "create", fail_at_the_second)
        decisions.count("notes", "request", "admitted")
        decisions.count("tools", "request", "admitted")
        tallies.look(NOW)
        with pytest.raises(OperationalError):
            tallies.write()
        assert (total(), tallies.pending) == (0, 2)

        tallies.write()

        assert (total(), tallies.pending) == (2, 0)

    def test_days_without_a_database_keep_the_sum_in_bounded_memory(self, tallies, decisions):
        for minute in range(3 * tally.MOST_MINUTES):
            decisions.count("notes", "request", "admitted")
            tallies.look(NOW + timedelta(minutes=minute))

        assert len(tallies._pending) == tally.MOST_MINUTES
        tallies.write()
        assert total() == 3 * tally.MOST_MINUTES

    def test_a_row_that_another_process_makes_meanwhile_is_added_to(self, tallies, decisions, monkeypatch):
        add("minute", MINUTE, 40)
        update = Tally.objects._queryset_class.update

        def not_made_yet(self, **values):
            monkeypatch.setattr(Tally.objects._queryset_class, "update", update)
            return 0

        decisions.count("notes", "request", "admitted")
        tallies.look(NOW)
        monkeypatch.setattr(Tally.objects._queryset_class, "update", not_made_yet)
        tallies.write()

        assert total() == 41
        assert len(rows()) == 1

    def test_a_forked_process_writes_only_what_it_counts_itself(self, tallies, decisions):
        decisions.count("notes", "request", "admitted")
        tallies.look(NOW)
        decisions._reset()  # both are done in a child
        tallies._reset()
        decisions.count("notes", "request", "admitted")

        tallies.record_all()

        assert total() == 1

    def test_tallies_raise_no_revision(self, tallies, decisions):
        before = list(Revision.objects.values_list("n"))
        decisions.count("notes", "request", "admitted")

        tallies.record_all()

        assert list(Revision.objects.values_list("n")) == before


class TestFolding:
    def test_minutes_become_hours_and_hours_days_and_the_sum_stays(self):
        for hours in range(24 * 12):
            add("minute", MINUTE - timedelta(hours=hours), 2)
            add("minute", MINUTE - timedelta(hours=hours, minutes=1), 3)
        before = total()

        fold(NOW)

        assert total() == before
        counted = Counter(row[0] for row in rows())
        assert counted["minute"] == 2 * 3
        assert counted["hour"] == 24 * 3 + 12 - 2
        assert counted["day"] == 9
        assert fold(NOW) == 0

    def test_what_comes_late_is_added_to_what_was_folded(self):
        old = MINUTE - timedelta(days=20)
        for _ in range(2):
            add("minute", old, 5)
            fold(NOW)

        assert rows() == {("day", day_of(old), "notes", "request", "admitted"): 10}

    def test_more_than_one_batch_is_folded(self, monkeypatch):
        monkeypatch.setattr(tally, "BATCH", 7)
        for minutes in range(50):
            add("minute", MINUTE - timedelta(days=1, minutes=minutes))

        assert fold(NOW) >= 50

        assert total() == 50
        assert {row[0] for row in rows()} == {"hour"}

    def test_the_oldest_days_are_forgotten(self):
        add("day", day_of(NOW - tally.DAYS_KEPT - timedelta(days=1)))
        add("day", day_of(NOW - tally.DAYS_KEPT + timedelta(days=1)), 7)

        assert fold(NOW) == 1

        assert total() == 7

    def test_outcomes_exchanges_and_endpoints_are_not_mixed(self):
        old = MINUTE - timedelta(days=1)
        add("minute", old, 1)
        add("minute", old, 2, outcome="refused")
        add("minute", old, 4, endpoint="tools")

        fold(NOW)

        assert sorted(rows().values()) == [1, 2, 4]

    def test_a_process_that_writes_folds_now_and_then(self, tallies, decisions):
        add("minute", timezone.now() - timedelta(days=1))
        decisions.count("notes", "request", "admitted")
        tallies._fold_at = 0

        tallies.record()

        assert sorted(row[0] for row in rows()) == ["hour", "minute"]
        assert tallies._fold_at > 0


class TestTime:
    @pytest.mark.parametrize(
        ("zone", "moment", "start"),
        [
            ("UTC", "2026-03-29T12:34:00+00:00", "2026-03-29T00:00:00+00:00"),
            ("Europe/Zurich", "2026-03-29T12:34:00+00:00", "2026-03-29T00:00:00+01:00"),
            ("Europe/Zurich", "2026-03-29T22:30:00+00:00", "2026-03-30T00:00:00+02:00"),
            ("Europe/Zurich", "2026-10-25T22:30:00+00:00", "2026-10-25T00:00:00+02:00"),
            ("Africa/Cairo", "2026-04-24T12:00:00+00:00", "2026-04-24T01:00:00+03:00"),
            ("Asia/Kolkata", "2026-03-29T18:29:00+00:00", "2026-03-29T00:00:00+05:30"),
            ("Pacific/Auckland", "2026-03-29T12:34:00+00:00", "2026-03-30T00:00:00+13:00"),
        ],
    )
    def test_a_day_begins_when_the_clocks_of_the_site_say_so(self, settings, zone, moment, start):
        settings.TIME_ZONE = zone

        assert day_of(datetime.fromisoformat(moment)) == datetime.fromisoformat(start)

    @pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-07-01", 24)])
    def test_a_day_on_which_clocks_change_has_all_its_hours_once(self, settings, day, hours):
        settings.TIME_ZONE = "Europe/Zurich"
        zone = ZoneInfo("Europe/Zurich")
        began = datetime.fromisoformat(day).replace(tzinfo=zone).astimezone(UTC)
        for hour in range(-30, 60):
            add("minute", began + timedelta(hours=hour, minutes=30))

        fold(began + timedelta(days=60))

        assert rows()["day", began, "notes", "request", "admitted"] == hours
        assert total() == 90

    def test_an_hour_begins_in_utc(self):
        moment = datetime(2026, 3, 29, 12, 34, tzinfo=ZoneInfo("Asia/Kolkata"))

        assert hour_of(moment) == datetime(2026, 3, 29, 7, 0, tzinfo=UTC)


def test_a_long_name_of_an_endpoint_fits_its_column(tallies, decisions):
    decisions.count("x" * 200, "request", "admitted")

    tallies.record_all()

    assert [key[2] for key in rows()] == ["x" * 63]
