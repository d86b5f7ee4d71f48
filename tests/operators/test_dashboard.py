"""The dashboard: its numbers and pictures, part by part, with a bounded number of questions."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import UTC, date, datetime, timedelta
from html import unescape
from uuid import uuid4

import pytest
from django.template import Context, Template
from django.test import RequestFactory
from django.utils import timezone

from mcp_guard import testing
from mcp_guard.admin import dashboard as module
from mcp_guard.admin import traffic as traffic_module
from mcp_guard.admin.bars import Bar, bars, line_of_bars
from mcp_guard.admin.dashboard import dashboard
from mcp_guard.admin.traffic import DAYS, HOURS, traffic
from mcp_guard.audit.tally import day_of, fold, hour_of
from mcp_guard.models import AuditEvent, AuditSeal, Change, ProcessState, Refusal, Shipment, Tally
from tests.operators.admin_pages import browser_of, staff, url

NOW = datetime(2026, 3, 29, 12, 34, tzinfo=UTC)
EVIL = '"><script>alert(1)</script>'
SVG = "{http://www.w3.org/2000/svg}"


def tally(ago: timedelta, outcome: str = "admitted", count: int = 1, **values):
    found = {"period": "minute", "start": NOW - ago, "endpoint": "notes", "exchange": "request", **values}
    return Tally.objects.create(outcome=outcome, count=count, **found)


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def rectangles(svg: str) -> list[dict[str, str]]:
    return [rect.attrib for rect in parsed(svg).iter(f"{SVG}rect")]


class TestBars:
    KINDS = ("a", "b")

    def draw(self, *shown: Bar, title: str = "T", description: str = "D") -> str:
        return bars("name", title, description, self.KINDS, shown)

    def test_the_highest_bar_fills_the_height_and_the_others_are_in_proportion(self):
        found = rectangles(self.draw(Bar("x", (10, 0)), Bar("y", (5, 0))))
        assert [(rect["x"], rect["y"], rect["height"]) for rect in found] == [
            ("1", "0.00", "100.00"),
            ("11", "50.00", "50.00"),
        ]

    def test_parts_stand_on_each_other_and_the_upper_one_is_hatched(self):
        lower, upper, hatched = rectangles(self.draw(Bar("x", (6, 2))))
        assert (lower["y"], lower["height"], lower["class"]) == ("25.00", "75.00", "a")
        assert (upper["y"], upper["height"], upper["class"]) == ("0.00", "25.00", "b")
        assert hatched["fill"] == "url(#name-hatch)"

    @pytest.mark.parametrize("shown", [(), (Bar("x", (0, 0)),), (Bar("x", (0, 0)), Bar("y", (0, 0)))])
    def test_nothing_is_drawn_of_nothing(self, shown):
        assert self.draw(*shown) == ""

    def test_one_data_point_is_one_bar(self):
        assert len(rectangles(self.draw(Bar("x", (1, 0))))) == 1

    def test_one_among_ever_so_many_is_seen_and_inside_of_the_picture(self):
        small, large, above, hatched = rectangles(self.draw(Bar("x", (1, 0)), Bar("y", (10**30, 1))))
        assert float(small["height"]) >= 3
        for rect in (small, large, above, hatched):
            assert 0 <= float(rect["y"]) <= 100
            assert float(rect["y"]) + float(rect["height"]) <= 103

    def test_words_and_titles_are_text(self):
        found = parsed(self.draw(Bar(EVIL, (1, 0)), title=EVIL, description=EVIL))
        assert [each.text for each in found.iter(f"{SVG}title")] == [EVIL, EVIL]
        assert found.find(f"{SVG}desc").text == EVIL

    def test_it_has_a_name_and_a_description(self):
        found = parsed(self.draw(Bar("x", (1, 0))))
        assert found.get("role") == "img"
        ids = {each.get("id") for each in found.iter()}
        assert set(found.get("aria-labelledby").split()) <= ids

    def test_a_strict_policy_stops_nothing_of_it(self):
        for svg in (self.draw(Bar("x", (1, 1))), line_of_bars("a", [1, 2])):
            names = {name for each in parsed(svg).iter() for name in each.attrib}
            assert not {name for name in names if name == "style" or name.startswith("on") or "href" in name}
            assert {each.tag.removeprefix(SVG) for each in parsed(svg).iter()} <= {
                "svg", "title", "desc", "defs", "pattern", "path", "g", "rect",
            }  # fmt: skip

    def test_a_small_picture_beside_its_number_is_hidden_from_readers(self):
        assert parsed(line_of_bars("a", [0, 3, 1])).get("aria-hidden") == "true"
        assert line_of_bars("a", [0, 0]) == ""


@pytest.mark.django_db
class TestTraffic:
    def test_nothing_was_judged(self):
        found = traffic(NOW)
        assert (found.hours.total, found.days.total, found.doors) == (0, 0, [])
        assert (len(found.hour_starts), len(found.dates)) == (HOURS, DAYS)

    def test_each_hour_and_day_has_its_own(self):
        tally(timedelta(0), count=3)
        tally(timedelta(hours=2), count=5)
        tally(timedelta(days=2), count=7, period="hour")
        tally(timedelta(days=20), count=11, period="day", start=day_of(NOW - timedelta(days=20)))

        found = traffic(NOW)

        assert {n: count for n, count in enumerate(found.hours.let_in) if count} == {23: 3, 21: 5}
        assert {n: count for n, count in enumerate(found.days.let_in) if count} == {29: 8, 27: 7, 9: 11}

    def test_what_is_older_is_left_out(self):
        tally(timedelta(hours=23, minutes=40))
        tally(timedelta(days=31), period="day", start=day_of(NOW - timedelta(days=30)))
        assert (traffic(NOW).hours.total, traffic(NOW).days.total) == (0, 1)

    def test_folding_changes_nothing_that_is_shown(self):
        for hours in range(24 * 35):
            tally(timedelta(hours=hours), count=hours + 1)
        before = traffic(NOW)

        fold(NOW)

        assert traffic(NOW) == before
        assert before.hours.total == sum(range(1, 25))

    def test_outcomes_are_told_apart(self):
        for outcome, count in (("admitted", 10), ("would_refuse", 4), ("refused", 3), ("preflight", 2)):
            tally(timedelta(0), outcome, count)
        found = traffic(NOW).hours
        assert (found.let_in[-1], found.would_refuse[-1], found.refused[-1]) == (12, 4, 3)

    def test_doors_come_by_their_decisions_and_only_so_many(self, monkeypatch):
        monkeypatch.setattr(traffic_module, "MOST_DOORS", 2)
        tally(timedelta(0), count=1, endpoint="a")
        tally(timedelta(0), count=9, endpoint="b")
        tally(timedelta(0), count=5, endpoint="b", exchange="handshake")

        found = traffic(NOW)

        assert [(door.endpoint, door.exchange) for door in found.doors] == [
            ("b", "request"),
            ("b", "handshake"),
        ]
        assert (found.more, found.hours.total) == (1, 15)

    def test_a_clock_ahead_of_ours_counts_as_now(self):
        tally(timedelta(hours=-30), count=4)
        assert (traffic(NOW).hours.let_in[-1], traffic(NOW).days.let_in[-1]) == (4, 4)

    @pytest.mark.parametrize(
        ("zone", "position"), [("UTC", 29), ("Pacific/Auckland", 28), ("America/Los_Angeles", 29)]
    )
    def test_days_are_those_of_the_site(self, settings, zone, position):
        settings.TIME_ZONE = zone
        tally(timedelta(hours=3))  # 09:34 UTC: the day before in Auckland, where it is past midnight by now
        days = traffic(NOW).days.let_in
        assert [n for n, count in enumerate(days) if count] == [position]

    def test_the_days_on_which_clocks_change_are_one_each(self, settings):
        settings.TIME_ZONE = "Europe/Zurich"
        tally(timedelta(0), start=datetime(2026, 3, 28, 23, 30, tzinfo=UTC))
        tally(timedelta(0), start=datetime(2026, 3, 29, 1, 30, tzinfo=UTC))
        assert traffic(NOW).dates[-2:] == [date(2026, 3, 28), date(2026, 3, 29)]
        assert traffic(NOW).days.let_in[-2:] == [0, 2]

    def test_the_database_is_asked_twice_however_many_rows(self, django_assert_num_queries):
        with django_assert_num_queries(2):
            traffic(NOW)
        for hours in range(200):
            tally(timedelta(hours=hours), endpoint=f"e{hours % 20}")
        with django_assert_num_queries(2):
            traffic(NOW)

    def test_an_hour_of_utc_is_an_hour_in_every_zone(self, settings):
        settings.TIME_ZONE = "Asia/Kolkata"
        tally(timedelta(0), start=hour_of(NOW))
        assert traffic(NOW).hours.let_in[-1] == 1


def fill():
    """Make rows of every kind that the dashboard shows, hostile ones among them."""
    now = timezone.now()
    for number in range(15):
        Refusal.objects.create(
            key=uuid4().hex, endpoint="notes", exchange="request", reason="origin_not_listed",
            origin=f"https://{number}.example{EVIL}", count=number + 1, first_seen=now, last_seen=now,
        )  # fmt: skip
        Tally.objects.create(
            period="minute", start=now.replace(second=0, microsecond=0), endpoint=f"{EVIL}{number}",
            exchange="request", outcome="refused" if number % 2 else "admitted", count=10**15 + number,
        )  # fmt: skip
    client = testing.add_client("acme")
    for number in range(12):
        testing.issue_token(client, name=f"{EVIL}{number}", expires_at=now + timedelta(days=number + 1))
    for pid, seen in ((1, now), (2, now - timedelta(hours=1))):
        ProcessState.objects.create(
            id=uuid4(), host="web", pid=pid, started_at=seen, seen_at=seen, revision=0, age=1.5, source="poll"
        )
    Change.objects.update(at=now - timedelta(minutes=1))
    AuditSeal.objects.update_or_create(pk=1, defaults={"seq": 10, "sealed_at": now})
    Shipment.objects.create(destination=f"https://{EVIL}", seq=4, failures=3)


PARTS = {
    "view_tally": "pictures",
    "view_refusal": "origins",
    "view_token": "expiring",
    "view_endpointstate": "followers",
    "view_auditevent": "trail",
}


@pytest.mark.django_db
class TestParts:
    @pytest.mark.parametrize("permission", PARTS)
    def test_each_part_is_shown_to_who_may_see_its_rows(self, permission):
        found = dashboard(staff(permission), timezone.now())
        shown = [part for part in PARTS.values() if getattr(found, part) is not None]
        assert shown == [PARTS[permission]]

    def test_who_may_see_nothing_asks_nothing_and_is_refused_the_page(self, django_assert_num_queries):
        user = staff("add_client")
        user.get_all_permissions()
        with django_assert_num_queries(0):
            dashboard(user, timezone.now())
        assert browser_of(user).get(url("dashboard")).status_code == 403

    def test_questions_are_bounded_however_many_rows(self, root, django_assert_num_queries):
        with django_assert_num_queries(10):
            dashboard(root, timezone.now())
        fill()
        with django_assert_num_queries(11):
            dashboard(root, timezone.now())

    def test_what_needs_a_look_is_there(self, root):
        fill()

        found = dashboard(root, timezone.now())

        assert len(found.origins) == module.MOST_ORIGINS
        assert found.origins[0]["requests"] == 15
        assert found.expiring.tokens[0].name == f"{EVIL}0"
        assert (len(found.expiring.tokens), found.expiring.more) == (10, 2)
        assert (found.followers.speaking, found.followers.silent, found.followers.behind) == (1, 1, 1)
        assert 1.5 <= found.followers.oldest < 10
        assert found.trail.shipments[0][1] == 6
        assert found.trail.unsealed == AuditEvent.objects.filter(seq=None).count()

    def test_who_has_had_no_time_to_notice_a_change_is_not_behind(self, root):
        fill()
        Change.objects.update(at=timezone.now())
        assert dashboard(root, timezone.now()).followers.behind == 0

    def test_what_operators_have_decided_on_is_out_of_the_way(self, root):
        fill()
        Refusal.objects.update(state="never")
        assert dashboard(root, timezone.now()).origins == []


@pytest.mark.django_db
class TestScreen:
    def test_an_empty_site_says_so(self, browser):
        page = browser.get("/admin/mcp_guard/").content.decode()
        assert page.count("No request has been judged.") == 2
        for text in ("No origin was refused", "None expires within", "no process has read it"):
            assert text in page

    def test_the_index_shows_all_of_it_as_text(self, browser):
        fill()
        page = browser.get("/admin/mcp_guard/").content.decode()
        assert "<script>alert" not in page
        assert page.count("<svg") >= 4
        assert f"{EVIL}1" in unescape(page)
        assert ' style="' not in page.partition("mcp-guard-dashboard")[2]

    def test_it_is_a_page_besides(self, browser):
        fill()
        response = browser.get(url("dashboard"))
        assert response.status_code == 200
        assert "By endpoint and door" in response.content.decode()

    def test_who_may_see_one_part_finds_the_page(self):
        page = browser_of(staff("view_token")).get(url("dashboard")).content.decode()
        assert "Tokens that expire soon" in page
        assert "Decisions" not in page

    def test_a_page_without_a_user_shows_nothing(self):
        template = Template("{% load mcp_guard_dashboard %}{% mcp_guard_dashboard %}")
        assert template.render(Context()).strip() == ""
        assert template.render(Context({"request": RequestFactory().get("/")})).strip() == ""
