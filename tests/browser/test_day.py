"""What an administrator does in a day, with real pages, on Daphne and PostgreSQL in two processes."""

from __future__ import annotations

from http.client import HTTPConnection

import pytest
from playwright.sync_api import expect

from tests.browser.day import BLOCKED, SCREENSHOTS, until_shown

pytestmark = [pytest.mark.browser, pytest.mark.services]

EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script>"


def test_a_refusal_is_seen_and_approved_and_the_same_page_gets_in_everywhere(day):
    page, admin = day.visit("partner-app"), day.admin()
    assert day.call(page, day.tokens["browser"]) == BLOCKED

    until_shown(admin, "mcp_guard/refusal/", day.origin("partner-app"))
    admin.get_by_role("link", name=day.origin("partner-app")).first.click()
    admin.get_by_role("link", name="Approve").click()
    admin.get_by_label("Client").select_option(label="partner")
    expect(admin.get_by_label("notes (partner)")).to_be_checked()
    admin.screenshot(path=SCREENSHOTS / "day-approve-1280-light.png", full_page=True)
    admin.get_by_role("button", name="Show what this writes").click()
    expect(admin.locator("#mcp-guard-plan")).to_contain_text(day.origin("partner-app"))
    assert day.call(page, day.tokens["browser"]) == BLOCKED  # nothing is written yet
    admin.get_by_role("button", name="Approve: add this row").click()
    expect(admin.get_by_text("is listed for partner on notes, in every process")).to_be_visible()

    for process in (0, 1):
        assert day.call(page, day.tokens["browser"], process) == 200
    admin.goto("mcp_guard/auditevent/")
    expect(admin.locator("#result_list")).to_contain_text(day.origin("partner-app"))


def test_a_token_is_issued_copied_once_rotated_and_revoked(day):
    day.manage("origin", "add", day.origin("app"), "--client", "partner", "--endpoint", "notes")
    page, admin = day.visit("app"), day.admin()
    admin.goto("mcp_guard/token/add/?client=1")
    admin.get_by_label("Name").fill("of the day")
    admin.get_by_role("radio", name="browser").check()
    admin.get_by_label("notes (partner)").check()
    admin.get_by_role("checkbox", name="notes-read").check()
    first = shown_once(admin, "Issue and show the token once")
    assert day.call(page, first) == 200

    admin.get_by_role("link", name="I have copied it").click()
    token = admin.url
    assert first not in admin.content()
    admin.get_by_role("link", name="Rotate").click()
    second = shown_once(admin, "Rotate and show the new secret")
    for text in (first, second):
        assert [day.call(page, text, process) for process in (0, 1)] == [200, 200]

    admin.goto(token)
    admin.get_by_role("link", name="Revoke").click()
    admin.screenshot(path=SCREENSHOTS / "day-revoke-1280-light.png", full_page=True)
    admin.locator("#content input[type=submit]").click()
    for text in (first, second):
        assert [day.call(page, text, process) for process in (0, 1)] == [401, 401]
    assert not any(text in admin.content() for text in (first, second))


def shown_once(admin, button: str) -> str:
    """Press a button that shows a token, copy the token, and return what was copied."""
    admin.get_by_role("button", name=button).click()
    shown = admin.locator("#mcp-guard-text").inner_text()
    admin.get_by_role("button", name="Copy").click()
    expect(admin.get_by_role("status")).to_have_text("Copied")
    assert admin.evaluate("navigator.clipboard.readText()") == shown
    return shown


def test_hostile_strings_of_strangers_are_text_on_every_screen(day):
    for origin in (f"https://{EVIL}.example", f"https://{'a' * 50}.example"):
        connection = HTTPConnection("127.0.0.1", day.ports[0], timeout=30)
        headers = {"Origin": origin, "User-Agent": EVIL, "Content-Type": "application/json"}
        connection.request("POST", "/mcp", body="{}", headers=headers)
        assert connection.getresponse().status == 403
        connection.close()
    day.manage("client", "set", "partner", "--owner", EVIL, "--notes", EVIL)
    admin = day.admin(390, "dark")

    until_shown(admin, "mcp_guard/refusal/", "origin_malformed")
    paths = [
        "mcp_guard/", "mcp_guard/refusal/", "mcp_guard/client/", "mcp_guard/client/1/change/",
        "mcp_guard/auditevent/", "mcp_guard/endpointstate/notes/change/",
    ]  # fmt: skip
    admin.goto("mcp_guard/refusal/")
    links = admin.locator("#result_list th a")
    paths += [links.nth(n).get_attribute("href").partition("/admin/")[2] for n in range(links.count())]
    for path in paths:
        admin.goto(path)
        assert admin.locator("#content img[src=x], #content script:not([src])").count() == 0, path
        assert admin.evaluate("document.documentElement.scrollWidth") <= 390, path
    expect(admin.get_by_text(EVIL).first).to_be_visible()
    admin.screenshot(path=SCREENSHOTS / "day-hostile-390-dark.png", full_page=True)
