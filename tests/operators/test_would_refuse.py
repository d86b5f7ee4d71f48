"""What enforcing would refuse: recomputed against the present policy, on the screen and the command line."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from mcp_guard import changes, report_only, testing
from mcp_guard.live.load import load
from mcp_guard.models import Refusal
from mcp_guard.report_only import would_refuse
from tests.operators.admin_pages import browser_of, nothing_changes, staff, url
from tests.operators.command_line import runner

pytestmark = pytest.mark.django_db
APP, OTHER = "https://app.example", "https://other.example"
EVIL = '"><script>alert(1)</script>\u202e'


def saw(origin: str = APP, count: int = 1, **values):
    """Remember requests that report-only let in."""
    now = timezone.now()
    found = {
        "key": uuid4().hex, "endpoint": "notes", "exchange": "request", "reason": "origin_not_listed",
        "outcome": "would_refuse", "origin": origin, "host": "api.example.com", "count": count,
        "first_seen": now - timedelta(hours=2), "last_seen": now, **values,
    }  # fmt: skip
    return Refusal.objects.create(**found)


def now_of(name: str = "notes") -> report_only.WouldRefuse:
    return would_refuse(name, timezone.now())


class TestReport:
    def test_nothing_was_let_in(self):
        assert now_of() == report_only.WouldRefuse([], 0, 0, [])

    def test_groups_of_one_origin_are_one(self, partner):
        early, late = timezone.now() - timedelta(days=3), timezone.now() - timedelta(minutes=1)
        saw(
            count=5,
            client="partner",
            exchange="request",
            address="192.0.2.1",
            first_seen=early,
            last_seen=early,
        )
        latest = saw(count=2, client="team-b", exchange="handshake", address="192.0.2.2", last_seen=late)
        saw(count=1, client="partner", exchange="handshake", last_seen=early)

        (found,) = now_of().origins

        assert (found.origin, found.requests, found.pk) == (APP, 8, latest.pk)
        assert (found.clients, found.exchanges) == (["partner", "team-b"], ["request", "handshake"])
        assert (found.first_seen, found.last_seen, found.address) == (early, late, "192.0.2.2")

    def test_those_with_the_most_requests_come_first(self):
        saw(APP, 2)
        saw(OTHER, 30)

        assert [each.origin for each in now_of().origins] == [OTHER, APP]

    @pytest.mark.parametrize(
        "change",
        [
            lambda origin: None,
            lambda origin: changes.set_origin(testing.ACTOR, origin, cookies=True),
        ],
    )
    def test_an_origin_that_is_listed_by_now_is_no_part_of_it(self, partner, change):
        saw()
        change(testing.list_origin(APP, partner, "notes"))

        assert now_of().origins == []

    @pytest.mark.parametrize(
        "change",
        [
            lambda origin: changes.unlist_origin(testing.ACTOR, origin),
            lambda origin: changes.set_origin(testing.ACTOR, origin, active=False),
            lambda origin: changes.set_origin(testing.ACTOR, origin, endpoints=["tools"]),
            lambda origin: changes.set_client(testing.ACTOR, origin.client, active=False),
        ],
        ids=["unlisted", "switched off", "of another endpoint", "of a disabled client"],
    )
    def test_it_comes_back_when_its_listing_does_not_count(self, partner, change):
        saw()
        change(testing.list_origin(APP, partner, "notes"))

        assert [each.origin for each in now_of().origins] == [APP]

    def test_a_listing_that_has_expired_does_not_count(self, partner):
        saw()
        testing.list_origin(APP, partner, "notes", expires_at=timezone.now() + timedelta(hours=1))

        assert now_of().origins == []
        assert [e.origin for e in would_refuse("notes", timezone.now() + timedelta(hours=2)).origins] == [APP]

    def test_other_endpoints_refusals_and_long_ago_are_no_part_of_it(self):
        saw(endpoint="tools")
        saw(outcome="refused", reason="origin_not_listed")
        saw(outcome="refused", reason="origin_null", origin="null")
        saw(last_seen=timezone.now() - timedelta(days=15))

        assert now_of() == report_only.WouldRefuse([], 0, 0, [])

    def test_tokens_that_report_only_does_not_soften_are_told_apart(self, partner):
        saw(outcome="refused", reason="token_wrong_kind", count=4, client="partner")
        saw(OTHER, outcome="refused", reason="token_wrong_kind")
        testing.list_origin(OTHER, partner, "notes")

        found = now_of()

        assert found.origins == []
        assert [(each.origin, each.requests) for each in found.refused] == [(APP, 4)]

    def test_what_an_operator_has_set_aside_is_marked(self):
        saw(state="never")

        assert now_of().origins[0].set_aside

    def test_requests_without_a_row_of_their_own_are_counted(self):
        saw("", 700, is_rest=True)
        saw("", 7, is_rest=True, outcome="refused")

        assert (now_of().origins, now_of().unsorted) == ([], 700)

    def test_a_flood_of_origins_is_shown_in_part(self, monkeypatch, django_assert_num_queries):
        for number in range(12):
            saw(f"https://{number}.example", number + 1)
        with django_assert_num_queries(7):
            assert len(now_of().origins) == 12
        monkeypatch.setattr(report_only, "MOST_ORIGINS", 10)

        found = now_of()

        assert (len(found.origins), found.more) == (10, 2)
        with django_assert_num_queries(7):
            now_of()

    def test_settings_that_cannot_be_used_list_nobody(self, partner, settings):
        saw()
        testing.list_origin(APP, partner, "notes")
        settings.MCP_GUARD = {"ENDPOINTS": {"notes": {"profile": "odd"}}}

        assert len(now_of().origins) == 1


class TestScreen:
    def test_each_origin_stands_there_with_what_is_known(self, browser):
        saw(EVIL, 3, client=EVIL[:80], address="192.0.2.9", user_agent=EVIL)
        changes.report_only(testing.ACTOR, "notes")

        page = browser.get(url("endpointstate_change", "notes")).content.decode()

        assert "1 origin is not listed, and 3 of its requests were let in." in " ".join(page.split())
        assert "192.0.2.9" in page
        assert "&lt;script&gt;alert(1)" in page
        assert "<script>alert" not in page

    def test_an_endpoint_that_enforces_says_so(self, browser):
        page = browser.get(url("endpointstate_change", "notes")).content.decode()
        assert "Nothing: within 14 days no origin was let in" in page
        assert "The endpoint enforces" in page

    def test_an_endpoint_without_an_allowlist_has_no_such_part(self, browser):
        page = browser.get(url("endpointstate_change", "public")).content.decode()
        assert "What enforcing would refuse" not in page

    def test_who_may_not_see_refusals_sees_none(self):
        saw()
        page = browser_of(staff("view_endpointstate")).get(url("endpointstate_change", "notes"))
        assert APP not in page.content.decode()
        assert "Who may see refusals" in page.content.decode()

    def test_who_may_only_look_has_neither_link_nor_button(self):
        saw()
        changes.report_only(testing.ACTOR, "notes")
        browser = browser_of(staff("view_endpointstate", "view_refusal"))
        page = browser.get(url("endpointstate_change", "notes")).content.decode()
        assert APP in page
        assert "Refuse unlisted origins now" not in page
        assert f"?origin={APP}" not in page
        with nothing_changes():
            assert browser.post(url("endpointstate_enforce", "notes")).status_code == 403

    def test_what_is_set_aside_has_no_link(self, browser):
        saw(state="never")
        page = browser.get(url("endpointstate_change", "notes")).content.decode()
        assert "set aside: stays refused" in page
        assert "mcp-guard-unseen" not in page.partition('id="would-refuse"')[2]

    def test_each_row_leads_to_what_may_be_decided(self, browser):
        row = saw()
        saw(OTHER, outcome="refused", reason="token_wrong_kind")
        page = browser.get(url("endpointstate_change", "notes")).content.decode()
        assert url("refusal_approve", row.pk) in page
        assert f"{url('allowedorigin_add')}?origin=https%3A//other.example" in page

    def test_enforcing_takes_one_click_without_a_forged_one(self, root):
        changes.report_only(testing.ACTOR, "notes")
        with nothing_changes():
            forged = browser_of(root, enforce_csrf_checks=True).post(url("endpointstate_enforce", "notes"))
        assert forged.status_code == 403


class TestCommand:
    @pytest.fixture
    def run(self, monkeypatch):
        return runner(monkeypatch)

    def test_it_says_who_would_be_refused(self, run):
        saw(count=3, client="partner", address="192.0.2.9")
        saw(OTHER, outcome="refused", reason="token_wrong_kind")
        saw("", 7, is_rest=True)

        result = run("endpoint", "would-refuse", "notes", "--json")

        assert result.status == 0
        assert result.data["origins"][0] | {"origin": APP, "requests": 3} == result.data["origins"][0]
        assert [each["origin"] for each in result.data["refused_already"]] == [OTHER]
        assert result.data["unsorted_requests"] == 7
        text = run("endpoint", "would-refuse", "notes").out
        assert "7 requests of origins without a row of their own" in text
        assert "refused already" in text

    def test_nothing_is_said_to_be_nothing(self, run):
        assert run("endpoint", "would-refuse", "notes").out.startswith("nothing:")

    def test_an_endpoint_nobody_declared_is_bad_input(self, run):
        result = run("endpoint", "would-refuse", "elsewhere", "--json")
        assert (result.status, list(result.fields)) == (2, ["name"])

    def test_hostile_strings_stay_on_their_line(self, run):
        saw("https://x.example\n\x1b[2J" + EVIL)
        text = run("endpoint", "would-refuse", "notes").out
        assert len(text.splitlines()) == 2
        assert "\x1b" not in text


def test_a_setting_is_switched_off_by_an_operator(settings):
    tomorrow = timezone.now() + timedelta(days=1)
    settings.MCP_GUARD = {"ENDPOINTS": {"notes": {"profile": "partner", "report_only": tomorrow.isoformat()}}}
    assert load().endpoints["notes"].report_only_until == pytest.approx(tomorrow.timestamp(), abs=1)

    changes.enforce(testing.ACTOR, "notes")

    assert load().endpoints["notes"].report_only_until == 0
