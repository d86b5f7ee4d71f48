"""The screen of the allowlist: what is typed is judged by the field, what is stored went through changes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from mcp_guard import testing
from mcp_guard.admin import states
from mcp_guard.models import AllowedOrigin, AuditEvent, Change
from mcp_guard.writing import policy_write
from tests.operators.admin_pages import (
    browser_of,
    errors,
    nothing_changes,
    revision,
    staff,
    tags,
    told,
    url,
)  # fmt: skip

pytestmark = pytest.mark.django_db

ADD = "/admin/mcp_guard/allowedorigin/add/"

BAD = {
    "": "This field is required.",
    "app.example.com": "the scheme is missing; did you mean https://app.example.com?",
    "https://app.example.com/": "an origin has no “/” at its end; remove it",
    "https://app.example.com/path": "an origin has no path: remove “/” and what belongs to it",
    "https://app.example.com?x=1": "an origin has no query: remove “?” and what belongs to it",
    "https://app.example.com#top": "an origin has no fragment: remove “#” and what belongs to it",
    "https://user@app.example.com": "an origin has no user name: remove “@” and what belongs to it",
    "https://app.example.com:0": "port 0 does not exist: ports go from 1 to 65535",
    "https://app.example.com:65536": "port 65536 does not exist: ports go from 1 to 65535",
    "https://app.example.com:https": "“https” is not a port: a number from 1 to 65535 is",
    "https://*.example.com": "wildcards are not accepted: list each origin, such as https://app.example.com, "
    "on its own",
    "*": "wildcards are not accepted: list each origin, such as https://app.example.com, on its own",
    "null": "“null” is what every sandboxed frame and local file sends: it names nobody and is never let in",
    "https://a.example https://b.example": "type one origin only; add the others one by one",
    "wss://app.example.com": "the origin of a WebSocket is the page's: type https:// instead",
    "ftp://app.example.com": "“ftp” is not a scheme pages come from",
    "javascript:alert(1)": "“javascript:” has no origin of its own (browsers send null for it)",
    "https://app.example.com.": "a host has no dot at its end here; remove it",
    "https://app\u200b.example.com": "there is an invisible character in it",
    "https://app.example\u202e.com": "there is an invisible character in it",
    "https://fa\u00df.example": "this name has a letter that browsers and IDNA 2003 encode differently",
    "https://1.2.3.400": "“1.2.3.400” is not an IPv4 address in the form browsers send",
    "https://[::g]": "“[::g]” is not an IPv6 address",
    "https://": "the host is missing",
    "https://" + "a" * 300 + ".example": "an origin has at most 300 characters",
    "https://app\x00.example": "there is an invisible character in it",
}


def form(client, **values):
    return {
        "origin": "https://app.example.com",
        "client": client.pk,
        "endpoints": ["notes"],
        "active": "on",
    } | {**values}


@pytest.mark.parametrize(("typed", "message"), BAD.items(), ids=map(repr, BAD))
def test_what_is_no_origin_is_refused_beside_the_field(browser, partner, typed, message):
    with nothing_changes():
        response = browser.post(ADD, form(partner, origin=typed))
    found = errors(response)
    assert list(found) == ["origin"]
    assert [text for text in found["origin"] if text.startswith(message)] == found["origin"]
    assert len(found["origin"]) == 1


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("HTTPS://App.Example.COM:443", "https://app.example.com"),
        ("http://LOCALHOST:80", "http://localhost"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://[0:0:0:0:0:0:0:1]:8443", "https://[::1]:8443"),
    ],
)
def test_canonicalization_is_told(browser, partner, typed, stored):
    response = browser.post(ADD, form(partner, origin=typed), follow=True)
    assert AllowedOrigin.objects.get().origin == stored
    assert f"“{typed}” is stored as {stored}, the form that browsers send." in told(response)


def test_an_origin_typed_as_browsers_send_it_is_not_commented(browser, partner):
    response = browser.post(ADD, form(partner, origin="  https://app.example.com "), follow=True)
    assert AllowedOrigin.objects.get().origin == "https://app.example.com"
    assert not [text for text in told(response) if "stored" in text]


def test_listing_writes_row_revision_event_and_history_at_once(browser, root, partner):
    before = revision()
    values = form(partner, endpoints=["notes", "tools"], cookies="on", note="ticket 7")
    assert browser.post(ADD, values).status_code == 302
    row = AllowedOrigin.objects.get()
    assert (row.client, row.endpoints, row.cookies, row.active) == (partner, ["notes", "tools"], True, True)
    assert revision() == before + 1 == Change.objects.get(subject="origin").revision
    event = AuditEvent.objects.get(tag="origin:list")
    assert (event.actor, event.actor_label, event.subject) == (root, "root", "https://app.example.com")
    assert event.after["note"] == "ticket 7"
    assert LogEntry.objects.get().object_id == str(row.pk)


def test_listing_twice_is_refused_beside_the_field_however_it_is_written(browser, partner):
    browser.post(ADD, form(partner))
    with nothing_changes():
        found = errors(browser.post(ADD, form(partner, origin="HTTPS://APP.example.com:443")))
    assert found == {"origin": ["Allowed origin with this Origin already exists."]}


def test_what_only_changes_refuses_stands_beside_its_field(browser, partner):
    yesterday = timezone.now() - timedelta(days=1)
    values = form(partner, expires_at_0=f"{yesterday:%Y-%m-%d}", expires_at_1=f"{yesterday:%H:%M:%S}")
    with nothing_changes():
        assert errors(browser.post(ADD, values)) == {"expires_at": ["this moment has passed"]}
    assert not LogEntry.objects.exists()


def test_an_undeclared_endpoint_cannot_be_ticked(browser, partner):
    with nothing_changes():
        found = errors(browser.post(ADD, form(partner, endpoints=["notes", "elsewhere"])))
    assert found == {"endpoints": ["Select a valid choice. elsewhere is not one of the available choices."]}


def test_only_changed_fields_are_written(browser, partner):
    row = testing.list_origin("https://app.example.com", partner, "notes", note="old")
    values = form(partner, note="new")
    assert browser.post(url("allowedorigin_change", row.pk), values).status_code == 302
    event = AuditEvent.objects.latest("pk")
    assert (event.tag, event.before["note"], event.after["note"]) == ("origin:set", "old", "new")
    assert event.before | {"note": "new"} == event.after


def test_saving_without_a_change_writes_nothing(browser, partner):
    row = testing.list_origin("https://app.example.com", partner, "notes")
    with nothing_changes():
        assert browser.post(url("allowedorigin_change", row.pk), form(partner)).status_code == 302


def test_an_undeclared_endpoint_of_a_row_stays_visible_until_it_is_unticked(browser, partner):
    row = hand_edited(partner, endpoints=["notes", "retired"])
    change = url("allowedorigin_change", row.pk)
    page = browser.get(change).content.decode()
    assert "retired (not declared in the settings)" in page
    kept = form(partner, endpoints=["notes", "retired"], note="x")
    with nothing_changes():
        found = errors(browser.post(change, kept))
    assert list(found) == ["endpoints"]
    assert found["endpoints"][0].startswith("there is no endpoint “retired”")
    assert browser.post(change, form(partner)).status_code == 302
    row.refresh_from_db()
    assert row.endpoints == ["notes"]


@pytest.mark.parametrize("endpoints", ["notes", 7, {"notes": True}])
def test_a_row_that_holds_no_list_is_shown_and_repaired_by_saving(browser, partner, endpoints):
    row = hand_edited(partner, endpoints=endpoints)
    assert (
        "not a list of names: opens nothing" in browser.get(url("allowedorigin_changelist")).content.decode()
    )
    change = url("allowedorigin_change", row.pk)
    assert "edited past the admin" in browser.get(change).content.decode()
    assert browser.post(change, form(partner)).status_code == 302
    row.refresh_from_db()
    assert row.endpoints == ["notes"]


def test_an_origin_that_browsers_never_send_is_marked_and_repaired_by_saving(browser, partner):
    row = hand_edited(partner, origin="HTTPS://App.example.com")
    page = browser.get(url("allowedorigin_changelist")).content.decode()
    assert "not as browsers send it (https://app.example.com): never matches" in page
    assert "cannot be used" in page
    form_as_shown = form(partner, origin=row.origin)
    assert browser.post(url("allowedorigin_change", row.pk), form_as_shown).status_code == 302
    row.refresh_from_db()
    assert row.origin == "https://app.example.com"


def test_an_origin_without_endpoints_says_that_it_opens_nothing(browser, partner):
    response = browser.post(ADD, form(partner, endpoints=[]), follow=True)
    assert "The origin https://app.example.com opens nothing: no endpoint is ticked." in told(response)
    assert "⚠ </span>opens nothing" in response.content.decode()
    page = browser.get(url("allowedorigin_change", AllowedOrigin.objects.get().pk)).content.decode()
    assert "This origin opens nothing: it names no endpoint." in page


def test_deleting_unlists_through_changes(browser, partner):
    row = testing.list_origin("https://app.example.com", partner, "notes")
    delete = url("allowedorigin_delete", row.pk)
    with nothing_changes():
        assert browser.get(delete).status_code == 200
    assert browser.post(delete, {"post": "yes"}).status_code == 302
    assert not AllowedOrigin.objects.exists()
    assert tags()[-1] == "origin:unlist"


def test_delete_selected_unlists_each_through_changes(browser, partner):
    rows = [testing.list_origin(f"https://app{n}.example.com", partner, "notes") for n in range(3)]
    before = revision()
    values = {"action": "delete_selected", "_selected_action": [row.pk for row in rows[:2]]}
    with nothing_changes():
        assert "Are you sure" in browser.post(url("allowedorigin_changelist"), values).content.decode()
    browser.post(url("allowedorigin_changelist"), values | {"post": "yes"})
    assert list(AllowedOrigin.objects.all()) == rows[2:]
    assert tags()[-2:] == ["origin:unlist"] * 2
    assert revision() == before + 2


def test_the_unicode_form_stands_beside_an_internationalized_origin(browser, partner):
    testing.list_origin("https://bücher.example:8443", partner, "notes")
    page = browser.get(url("allowedorigin_changelist")).content.decode()
    assert "https://xn--bcher-kva.example:8443" in page
    assert 'in Unicode: <bdi class="mcp-guard-code">https://bücher.example:8443</bdi>' in page


@pytest.mark.parametrize(
    "label",
    ["xn--", "xn--a-ecp", "xn--n3h-"]
    + [f"xn--{name.encode('punycode').decode()}" for name in ("bank。com", "bank\u2044a", "a\u202eb", "faß")],
)
def test_an_internationalized_origin_without_a_unicode_form_is_shown_as_it_is(browser, partner, label):
    hand_edited(partner, origin=f"https://{label}.example")
    page = browser.get(url("allowedorigin_changelist")).content.decode()
    assert f"https://{label}.example" in page
    assert "in Unicode" not in page


def test_hostile_text_is_never_markup(browser):
    evil = "<script>alert(1)</script>"
    client = testing.add_client("partner", owner=evil)
    hand_edited(client, origin=f"https://{evil}", endpoints=[evil])
    for page in (url("allowedorigin_changelist"), url("client_changelist"), url("status")):
        text = browser.get(page).content.decode()
        assert "&lt;script&gt;" in text
        assert evil not in text


def test_states_of_the_column_and_of_the_filter_agree(browser, partner):
    off, soon = testing.add_client("off"), timezone.now() + timedelta(days=3)
    testing.list_origin("https://live.example", partner, "notes")
    testing.list_origin("https://soon.example", partner, "notes", expires_at=soon)
    testing.list_origin("https://off.example", partner, "notes", active=False)
    testing.list_origin("https://client.example", off, "notes")
    hand_edited(partner, origin="https://past.example", expires_at=timezone.now() - timedelta(days=1))
    hand_edited(off, origin="https://both.example", expires_at=timezone.now() - timedelta(days=1))
    with policy_write():
        off.active = False
        off.save()
    shown = {}
    for state in states.ORIGIN_STATES:
        page = browser.get(url("allowedorigin_changelist"), {"state": state.value})
        rows = list(page.context["cl"].queryset)
        assert {states.of_origin(row, timezone.now()) for row in rows} == {state}
        shown |= {row.origin: state.value for row in rows}
    assert shown == {
        "https://live.example": "live",
        "https://soon.example": "expiring",
        "https://off.example": "off",
        "https://client.example": "client-disabled",
        "https://past.example": "expired",
        "https://both.example": "expired",
    }


def test_the_filter_by_endpoint_matches_whole_names(browser, partner):
    testing.list_origin("https://notes.example", partner, "notes", "tools")
    testing.list_origin("https://none.example", partner)
    hand_edited(partner, origin="https://longer.example", endpoints=["notes-2"])
    for value, found in (
        ("notes", ["https://notes.example"]),
        ("-", ["https://none.example"]),
        ("hooks", []),
    ):
        page = browser.get(url("allowedorigin_changelist"), {"endpoint": value})
        assert [row.origin for row in page.context["cl"].queryset] == found
    odd = browser.get(url("allowedorigin_changelist"), {"endpoint": "\x00"})
    assert odd.context["cl"].queryset.count() == 3


def test_the_list_asks_the_database_as_often_for_many_rows_as_for_few(
    browser, partner, django_assert_num_queries
):
    testing.list_origin("https://app.example.com", partner, "notes")
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(
        connection,
    ) as few:
        browser.get(url("allowedorigin_changelist"))
    for number in range(10):
        other = testing.add_client(f"client{number}")
        testing.list_origin(f"https://app{number}.example.com", other, "notes")
    with django_assert_num_queries(len(few)):
        browser.get(url("allowedorigin_changelist"))


def test_without_the_permission_to_add_nothing_is_listed(partner):
    browser = browser_of(staff("view_allowedorigin", "change_allowedorigin", "view_client"))
    with nothing_changes():
        assert browser.get(ADD).status_code == 403
        assert browser.post(ADD, form(partner)).status_code == 403


def test_an_empty_list_says_what_that_means(browser):
    page = browser.get(url("allowedorigin_changelist")).content.decode()
    assert "No origin is listed: no page of another site is let in." in page
    page = browser.get(url("allowedorigin_changelist"), {"q": "x"}).content.decode()
    assert "Nothing matches." in page


def hand_edited(client, **values):
    """Return a row as somebody writes it past every check."""
    with policy_write():
        return AllowedOrigin.objects.create(
            **{"origin": "https://hand.example", "client": client, "endpoints": ["notes"], **values}
        )
