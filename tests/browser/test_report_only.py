"""From report-only to enforce with a real page, on Daphne and PostgreSQL in two processes."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from tests.browser.day import BLOCKED, SCREENSHOTS, until_shown

pytestmark = [pytest.mark.browser, pytest.mark.services]


def test_from_report_only_to_enforce(day):
    page, admin = day.visit("new-app"), day.admin()
    assert day.call(page, day.tokens["any"]) == BLOCKED

    admin.goto("mcp_guard/endpointstate/notes/change/")
    expect(admin.get_by_text("Nothing: within 14 days")).to_be_visible()
    admin.get_by_role("button", name="Report only until then").click()
    expect(admin.get_by_text("lets unlisted origins in and reports them")).to_be_visible()

    assert day.call(page, day.tokens["any"]) == 200
    assert day.call(page, day.tokens["any"], process=1) == 200
    assert day.call(page, day.tokens["browser"]) == 401
    assert day.call(page) == 401

    until_shown(admin, "mcp_guard/endpointstate/notes/change/", "2 of its requests were let in")
    until_shown(admin, "mcp_guard/endpointstate/notes/change/", "Refused already")
    row = admin.locator("tbody tr", has_text=day.origin("new-app")).first
    expect(row).to_contain_text("partner")
    admin.screenshot(path=SCREENSHOTS / "report-only-1280-light.png", full_page=True)
    told = json.loads(day.manage("endpoint", "would-refuse", "notes", "--json"))
    assert [(each["origin"], each["requests"]) for each in told["origins"]] == [(day.origin("new-app"), 2)]

    admin.get_by_role("button", name="Refuse unlisted origins now").click()
    expect(admin.get_by_text("The endpoint notes refuses unlisted origins.")).to_be_visible()
    for process in (0, 1):
        assert day.call(page, day.tokens["any"], process) == BLOCKED

    until_shown(admin, "mcp_guard/", "by report-only alone")
    admin.screenshot(path=SCREENSHOTS / "dashboard-of-the-day-1280-light.png", full_page=True)
    preflights = admin.locator("tbody tr", has=admin.get_by_role("cell", name="preflight", exact=True))
    expect(preflights).to_have_count(1)


def test_a_listed_origin_is_no_part_of_what_would_be_refused(day):
    page, admin = day.visit("known-app"), day.admin(390, "dark")
    day.manage("endpoint", "report-only", "notes", "--days", "3")
    assert day.call(page, day.tokens["any"]) == 200
    until_shown(admin, "mcp_guard/endpointstate/notes/change/", day.origin("known-app"))
    admin.screenshot(path=SCREENSHOTS / "report-only-390-dark.png", full_page=True)
    assert admin.evaluate("document.documentElement.scrollWidth") <= 390

    day.manage("origin", "add", day.origin("known-app"), "--client", "partner", "--endpoint", "notes")

    admin.goto("mcp_guard/endpointstate/notes/change/")
    expect(admin.get_by_text("Nothing: within 14 days")).to_be_visible()
    day.manage("endpoint", "enforce", "notes")
    for process in (0, 1):
        assert day.call(page, day.tokens["browser"], process) == 200
