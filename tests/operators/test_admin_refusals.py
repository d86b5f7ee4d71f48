"""The screen of the refusals: what it shows, who may decide, and that nothing is written unseen."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from mcp_guard import changes, testing
from mcp_guard.admin.timeline import HEIGHT, WIDTH, timeline
from mcp_guard.audit.inbox import HOUR, HOURS
from mcp_guard.models import AllowedOrigin, AuditEvent, Refusal
from tests.operators.admin_pages import browser_of, nothing_changes, staff, tags, told, url
from tests.operators.refused import CORRELATION_ID, ORIGIN, refusal

pytestmark = pytest.mark.django_db

LIST = "/admin/mcp_guard/refusal/"


def shown(browser: Any, query: str = "") -> list[str]:
    """Return the origins that the list shows."""
    response = browser.get(LIST + query)
    assert response.status_code == 200
    return [row.origin for row in response.context["cl"].result_list]


def page(browser: Any, view: str, row: Refusal) -> str:
    response = browser.get(url(f"refusal_{view}", row.pk))
    assert response.status_code == 200
    return unescape(response.content.decode())


def hidden(response: Any) -> dict[str, list[str]]:
    """Return what the page that shows the row would send."""
    found: dict[str, list[str]] = {}
    html = response.content.decode()
    for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', html):
        if name != "csrfmiddlewaretoken":
            found.setdefault(name, []).append(unescape(value))
    return found


def ask(browser: Any, row: Refusal, owner: Any, **values: Any) -> Any:
    """Send the form of an approval for the first time."""
    asked = {"client": owner.pk, "endpoints": ["notes"], "lifetime": "week", **values}
    return browser.post(url("refusal_approve", row.pk), asked)


def test_the_list_shows_what_is_open(browser):
    refusal()
    aside = refusal("https://scanner.example")
    changes.set_refusal_aside(testing.ACTOR, aside)

    assert shown(browser) == [ORIGIN]
    assert shown(browser, "?state=never") == ["https://scanner.example"]
    assert len(shown(browser, "?state=all")) == 2


def test_an_empty_list_says_so(browser):
    assert "Nothing is waiting" in browser.get(LIST).content.decode()


@pytest.mark.parametrize("term", [ORIGIN, "app.example", "203.0.113.9", CORRELATION_ID, "acme"])
def test_refusals_are_found_in_every_state(browser, term):
    row = refusal(client="acme")
    refusal("https://other.test", client="")
    Refusal.objects.filter(origin="https://other.test").update(recent=[], address="")
    changes.set_refusal_aside(testing.ACTOR, row)

    assert shown(browser, f"?q={term}") == [ORIGIN]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?endpoint=tools", ["https://tools.test"]),
        ("?reason=token_expired", ["https://token.test"]),
        ("?outcome=would_refuse", ["https://report.test"]),
        ("?lookalike=listed", ["https://app.examp1e.com"]),
        ("?lookalike=any", ["http://plain.test", "https://app.examp1e.com"]),
        ("?lookalike=none", ["https://report.test", "https://token.test", "https://tools.test"]),
        ("?outcome__exact=would_refuse", ["https://report.test"]),
    ],
)
def test_filters(browser, partner, query, expected):
    testing.list_origin(ORIGIN, partner, "notes")
    refusal("https://tools.test", endpoint="tools")
    refusal("https://token.test", reason="token_expired")
    refusal("https://report.test", outcome="would_refuse")
    refusal("https://app.examp1e.com")
    refusal("http://plain.test")

    assert sorted(shown(browser, query)) == expected


def test_the_list_reads_the_allowlist_once(browser, django_assert_max_num_queries):
    for number in range(20):
        refusal(f"https://{number}.test")
    browser.get(LIST)

    with django_assert_max_num_queries(14):
        assert len(shown(browser)) == 20


def test_the_page_of_a_group_says_everything_about_it(browser, partner):
    testing.list_origin("https://app.example.org", partner, "notes")
    row = refusal("https://app.example.org:8443", count=3, client="partner")
    refusal("https://app.example.org:8443", endpoint="tools")

    text = page(browser, "change", row)

    for expected in (
        "same host as https://app.example.org, another scheme or port", "an unusual port",
        "origin_not_listed", "No active row lists this origin", "notes request", "testserver",
        "203.0.113.9", "Probe/1", CORRELATION_ID, "<rect", "at most 3 in an hour",
        "tools request origin_not_listed",
    ):  # fmt: skip
        assert expected in text, expected


def test_the_rest_of_others_says_what_it_is_and_cannot_be_decided_on(browser, partner):
    row = refusal("", host="", is_rest=True)

    text = page(browser, "change", row)

    assert "all without a row of their own" in text
    assert "/approve/" not in text
    assert "/never/" not in text
    with nothing_changes():
        assert ask(browser, row, partner).status_code == 200


HOSTILE = '"><img src=x onerror=alert(1)><script>alert(2)</script>'


def test_hostile_strings_are_text(browser):
    row = refusal(f"https://{HOSTILE}", host=HOSTILE, user_agent=HOSTILE, client=HOSTILE)

    for path in (LIST, url("refusal_change", row.pk), url("refusal_approve", row.pk)):
        html = browser.get(path).content.decode()
        assert "<script>alert" not in html
        assert "<img src=x" not in html
    assert HOSTILE in page(browser, "change", row)


def test_an_approval_is_shown_before_it_is_written(browser, partner):
    row = refusal()

    with nothing_changes():
        first = ask(browser, row, partner)
    said = unescape(first.content.decode())
    assert "This row is added to the allowlist. Nothing is written yet." in said
    for expected in (ORIGIN, "partner", "notes"):
        assert expected in said
    second = browser.post(url("refusal_approve", row.pk), hidden(first), follow=True)

    origin = AllowedOrigin.objects.get()
    assert (origin.origin, origin.client, origin.endpoints) == (ORIGIN, partner, ["notes"])
    week = timezone.now() + timedelta(days=7)
    assert week - timedelta(minutes=1) < origin.expires_at <= week
    assert json.loads(hidden(first)["shown"][0])["expires_at"] == origin.expires_at.isoformat()
    assert told(second) == [f"{ORIGIN} is listed for partner on notes, in every process."]
    row.refresh_from_db()
    assert (row.state, row.decided_by) == ("approved", "root")
    assert AuditEvent.objects.get(tag="origin:approve").actor_label == "root"
    assert LogEntry.objects.get().change_message == "Approved for partner."


def test_for_good_and_with_cookies(browser, partner):
    row = refusal()
    first = ask(browser, row, partner, lifetime="good", cookies="on", endpoints=["notes", "tools"])
    browser.post(url("refusal_approve", row.pk), hidden(first))

    origin = AllowedOrigin.objects.get()
    assert (origin.expires_at, origin.cookies, origin.endpoints) == (None, True, ["notes", "tools"])


def test_a_change_of_a_row_shows_what_it_was_and_what_it_will_be(browser, partner):
    testing.list_origin(ORIGIN, partner, "tools")
    row = refusal()

    first = ask(browser, row, partner, lifetime="good")

    said = first.content.decode()
    assert "This row of the allowlist is changed. Nothing is written yet." in said
    assert [field["differs"] for field in first.context["fields"]] == [False, False, True, *[False] * 4]
    browser.post(url("refusal_approve", row.pk), hidden(first))
    assert AllowedOrigin.objects.get().endpoints == ["tools", "notes"]


def test_a_row_that_moved_meanwhile_is_shown_again(browser, partner):
    row = refusal()
    first = ask(browser, row, partner)
    testing.list_origin(ORIGIN, partner, "tools")

    with nothing_changes():
        second = browser.post(url("refusal_approve", row.pk), hidden(first))

    assert "the row was changed meanwhile: look at it again" in second.content.decode()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"client": ""}, "This field is required."),
        ({"endpoints": []}, "choose at least one endpoint"),
        ({"endpoints": ["hooks"]}, "Select a valid choice. hooks is not one of the available choices."),
        ({"lifetime": "ever"}, "Select a valid choice."),
        ({"expires_at": "tomorrow"}, "this is not a moment"),
        ({"endpoints": ["tools"], "cookies": "on"}, "no chosen endpoint takes cookies"),
    ],
)
def test_mistakes_are_said_beside_their_fields(browser, partner, values, message):
    row = refusal()

    with nothing_changes():
        response = ask(browser, row, partner, **values)

    assert message in unescape(response.content.decode())


def test_an_origin_of_another_client_is_refused_with_its_name(browser, partner):
    testing.list_origin(ORIGIN, testing.add_client("acme"), "tools")
    row = refusal()

    with nothing_changes():
        response = ask(browser, row, partner)

    assert "is listed for the client “acme”" in response.content.decode()


def test_the_owner_of_an_origin_is_proposed(browser):
    acme = testing.add_client("acme")
    testing.list_origin(ORIGIN, acme, "tools")

    response = browser.get(url("refusal_approve", refusal().pk))

    assert response.context["form"]["client"].value() == acme.pk
    assert response.context["form"]["endpoints"].value() == ["notes"]


def test_never_is_asked_and_then_done(browser):
    row = refusal()
    with nothing_changes():
        assert ORIGIN in page(browser, "never", row)

    response = browser.post(url("refusal_never", row.pk), follow=True)

    row.refresh_from_db()
    assert (row.state, row.decided_by) == ("never", "root")
    assert told(response) == ["1 group is decided on."]
    assert "/reopen/" in page(browser, "change", row)
    browser.post(url("refusal_reopen", row.pk))
    row.refresh_from_db()
    assert row.state == "open"
    assert tags()[-2:] == ["refusal:never", "refusal:reopen"]


def test_many_are_set_aside_and_opened_again_at_once(browser):
    rows = [refusal(), refusal("https://b.test"), refusal("", host="", is_rest=True)]
    selected = {"action": "never_selected", "_selected_action": [row.pk for row in rows]}
    with nothing_changes():
        asked = browser.post(LIST, selected)
    assert asked.context["rows"] == ["https://b.test · notes", f"{ORIGIN} · notes"]

    browser.post(LIST, selected | {"confirmed": "yes"})

    assert sorted(Refusal.objects.values_list("state", flat=True)) == ["never", "never", "open"]
    browser.post(LIST + "?state=never", selected | {"action": "reopen_selected", "confirmed": "yes"})
    assert set(Refusal.objects.values_list("state", flat=True)) == {"open"}


def test_what_is_listed_is_not_set_aside_and_the_others_are(browser, partner):
    testing.list_origin(ORIGIN, partner, "notes")
    rows = [refusal(), refusal("https://b.test")]
    selected = {"action": "never_selected", "_selected_action": [row.pk for row in rows], "confirmed": "yes"}

    response = browser.post(LIST, selected, follow=True)

    assert f"{ORIGIN} is listed for partner: take it off the allowlist first" in told(response)
    assert Refusal.objects.get(origin=ORIGIN).state == "open"
    assert Refusal.objects.get(origin="https://b.test").state == "never"


DECISIONS = ("approve", "never", "reopen")


def test_who_may_look_may_not_decide(partner):
    row = refusal()
    reader = browser_of(staff("view_refusal"))

    assert shown(reader) == [ORIGIN]
    assert "/approve/" not in page(reader, "change", row)
    with nothing_changes():
        for view in DECISIONS:
            assert reader.get(url(f"refusal_{view}", row.pk)).status_code == 403
            assert reader.post(url(f"refusal_{view}", row.pk)).status_code == 403
        assert ask(reader, row, partner).status_code == 403
        reader.post(LIST, {"action": "never_selected", "_selected_action": [row.pk], "confirmed": "yes"})


def test_who_may_decide_may_do_so_without_any_other_permission(partner):
    row = refusal()
    approver = browser_of(staff("view_refusal", "approve_refusal"))

    first = ask(approver, row, partner)
    assert approver.post(url("refusal_approve", row.pk), hidden(first)).status_code == 302

    assert AllowedOrigin.objects.get().origin == ORIGIN


@pytest.mark.parametrize("view", DECISIONS)
def test_nothing_is_decided_without_a_csrf_token(root, partner, view):
    row = refusal()
    browser = browser_of(root, enforce_csrf_checks=True)

    with nothing_changes():
        assert browser.post(url(f"refusal_{view}", row.pk)).status_code == 403


@pytest.mark.parametrize("view", DECISIONS)
def test_who_may_not_look_learns_nothing_about_what_is_there(view):
    nobody = browser_of(staff())

    assert nobody.get(url(f"refusal_{view}", 4711)).status_code == 403
    assert nobody.get(LIST).status_code == 403


@pytest.mark.parametrize("path", ["add/", "1/delete/"])
def test_rows_are_neither_added_nor_deleted_by_hand(browser, path):
    row = refusal()
    assert browser.post(LIST + path.replace("1", str(row.pk))).status_code == 403
    assert Refusal.objects.count() == 1


def test_the_week_of_a_time_line():
    now = datetime(2030, 1, 8, 12, 30, tzinfo=UTC)
    current = int(now.timestamp() // HOUR)

    line = timeline({str(current): 2, str(current - 1): 4, str(current - HOURS): 9}, now)

    assert [(bar.count, bar.x, bar.height) for bar in line.bars] == [
        (4, (HOURS - 2) * WIDTH, HEIGHT),
        (2, (HOURS - 1) * WIDTH, HEIGHT // 2),
    ]
    assert (line.most, line.end) == (4, datetime(2030, 1, 8, 12, tzinfo=UTC))


def test_what_is_older_than_a_week_ends_its_own_week():
    now = datetime(2030, 1, 8, 12, 30, tzinfo=UTC)
    last = int(now.timestamp() // HOUR) - 2 * HOURS

    line = timeline({str(last): 1}, now)

    assert [bar.x for bar in line.bars] == [(HOURS - 1) * WIDTH]
    assert timeline({}, now).bars == []


@pytest.mark.parametrize("moment", ["2099-01-01T00:00:00", "2099-01-01", "soon"])
def test_a_moment_without_a_time_zone_is_refused(browser, partner, moment):
    row = refusal()
    with nothing_changes():
        response = ask(browser, row, partner, shown='{"a": 1}', expires_at=moment)
    assert response.status_code == 200
    assert response.context["form"].errors == {"expires_at": ["this is not a moment with a time zone"]}
