"""The life of a token in a real browser, on two Daphne processes and PostgreSQL."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest
from playwright.sync_api import Page, expect

from tests.browser.day import PATIENCE, begin_day
from tests.browser.test_admin_browser import SCREENSHOTS
from tests.conftest import POSTGRES_URL
from tests.databases import postgres_database

pytestmark = [pytest.mark.browser, pytest.mark.services]

AGENT = "importer/2 <b>bold</b>"
PERMITTED = 400
"""The server's own answer to a call outside of a session: the gate has let it through."""


@pytest.fixture(scope="module")
def day(chromium, tmp_path_factory):
    with (
        postgres_database(POSTGRES_URL) as database,
        begin_day(chromium, database, tmp_path_factory.mktemp("day")) as found,
    ):
        yield found


def call(day, text: str, process: int = 0, tool: str = "search_notes") -> int:
    """Call a tool with a token as a program does, and return the status."""
    params = {"name": tool, "arguments": {"query": "x"}}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    headers = {
        "Authorization": f"Bearer {text}", "User-Agent": AGENT, "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
    }  # fmt: skip
    url = f"http://127.0.0.1:{day.ports[process]}/mcp"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def shown_once(admin: Page) -> str:
    """Copy the text that a page shows once, and go on to the token."""
    text = admin.locator("#mcp-guard-text").inner_text()
    admin.get_by_role("button", name="Copy").click()
    expect(admin.get_by_role("status")).to_have_text("Copied")
    assert admin.evaluate("navigator.clipboard.readText()") == text
    admin.get_by_role("link", name="I have copied it").click()
    assert text not in admin.content()
    return text


def until(admin: Page, row: str, text: str) -> None:
    """Load the page again until a row of a table has a text: uses are written down within seconds."""
    for _ in range(PATIENCE // 500):
        found = admin.locator("tr", has_text=row)
        if found.count() and text in found.first.inner_text():
            return
        admin.wait_for_timeout(500)
        admin.reload()
    pytest.fail(f"{text!r} did not appear in the row of {row!r}")


def last_six(text: str) -> str:
    return text[-6:]


def test_issue_use_rotate_and_revoke(day):
    admin = day.admin()
    client = json.loads(day.manage("client", "list", "--json"))[0]["id"]
    admin.goto(f"mcp_guard/token/add/?client={client}")
    admin.get_by_label("Name").fill("importer")
    admin.get_by_label("notes (partner)").check()
    admin.get_by_label("notes-read").check()
    admin.get_by_role("button", name="Issue and show the token once").click()
    old = shown_once(admin)
    page_of_token = admin.url

    expect(admin.get_by_text("nobody yet")).to_be_visible()
    for process in (0, 1):
        assert call(day, old, process) == PERMITTED
    until(admin, last_six(old), "127.0.0.1")
    until(admin, "tools/call:search_notes", "20")
    expect(admin.get_by_text(AGENT).first).to_be_visible()
    admin.screenshot(path=SCREENSHOTS / "token-used-1280-light.png", full_page=True)

    admin.get_by_role("link", name="Rotate").click()
    expect(admin.locator("tr", has_text=last_six(old)).first).to_contain_text("127.0.0.1")
    admin.get_by_role("button", name="Rotate and show the new secret").click()
    new = shown_once(admin)
    expect(admin.locator("tr", has_text=last_six(new)).first).to_contain_text("never")
    for text in (old, new):
        assert call(day, text, 1) == PERMITTED
    until(admin, last_six(new), "127.0.0.1")

    admin.goto(page_of_token)
    admin.get_by_role("link", name="Revoke").click()
    admin.get_by_role("button", name="Revoke").click()
    expect(admin.get_by_text("1 token is revoked.")).to_be_visible()
    for process in (0, 1):
        for text in (old, new):
            assert call(day, text, process) == 401


def test_a_check_says_what_the_gate_then_does(day):
    admin = day.admin(390, "dark")
    client = json.loads(day.manage("client", "list", "--json"))[0]["id"]
    admin.goto(f"mcp_guard/client/{client}/change/")
    admin.get_by_role("link", name="Check now").click()

    def ask(grant: str, origin: str = "") -> str:
        admin.get_by_label("Token:").select_option(index=admin_option(admin, "server"))
        admin.get_by_label("Origin").fill(origin)
        admin.get_by_label("Asks for").fill(grant)
        with admin.expect_navigation():  # the answer before stands there as well
            admin.get_by_role("button", name="Check now").click()
        expect(admin.locator(".mcp-guard-answer")).to_be_visible()
        return admin.locator("#mcp-guard-answer").inner_text()

    assert "would be admitted as client partner" in ask("tools/call:search_notes")
    assert "scope_insufficient" in ask("tools/call:delete_note")
    refused = admin.locator("tr[data-result=refused]")
    expect(refused).to_contain_text("grant")
    expect(refused).to_contain_text("None of its scopes grants this")
    assert "origin_not_listed" in ask("tools/call:search_notes", "https://evil.example")
    assert admin.locator("tr[data-result='not reached']").count() == 3
    assert "?" not in admin.url
    admin.screenshot(path=SCREENSHOTS / "client-check-refused-390-dark.png", full_page=True)
    assert admin.evaluate("document.documentElement.scrollWidth") <= 390
    assert call(day, day.tokens["server"]) == PERMITTED
    assert call(day, day.tokens["server"], tool="delete_note") == 403


def admin_option(admin: Page, name: str) -> int:
    """Return which of the offered tokens has a name."""
    expect(admin.get_by_label("Token:")).to_be_visible()  # what follows does not wait for the page
    options = admin.get_by_label("Token:").locator("option").all_inner_texts()
    return next(number for number, text in enumerate(options) if text.startswith(f"{name} (#"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_answer_fits(day, width, scheme):
    admin = day.admin(width, scheme)
    client = json.loads(day.manage("client", "list", "--json"))[0]["id"]
    admin.goto(f"mcp_guard/client/{client}/check/")
    admin.get_by_label("Token:").select_option(index=1)
    admin.get_by_label("Asks for").fill("resources/read:note://" + "long" * 60)
    admin.get_by_role("button", name="Check now").click()
    expect(admin.locator(".mcp-guard-answer")).to_be_visible()
    admin.screenshot(path=SCREENSHOTS / f"client-check-answer-{width}-{scheme}.png", full_page=True)
    assert admin.evaluate("document.documentElement.scrollWidth") <= width
