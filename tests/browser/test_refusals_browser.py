"""The refusals inbox in a real browser, served by Daphne on PostgreSQL: see, approve, and it works."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.portal import PASSWORD, Portal, portal
from tests.browser.refused_rows import EVIL
from tests.browser.test_admin_browser import SCREENSHOTS, UNLABELLED
from tests.conftest import POSTGRES_URL
from tests.databases import postgres_database
from tests.victim.pages import serve_pages

pytestmark = [pytest.mark.browser, pytest.mark.services]

SEEN_SECONDS = 10

CALL = """async ([url, token]) => {
  const message = {jsonrpc: "2.0", id: 1, method: "initialize", params: {
    protocolVersion: "2025-06-18", capabilities: {}, clientInfo: {name: "page", version: "1"}}};
  const headers = {"Content-Type": "application/json", Accept: "application/json, text/event-stream",
    Authorization: `Bearer ${token}`};
  try {
    const answer = await fetch(url, {method: "POST", headers, body: JSON.stringify(message)});
    return [answer.status, await answer.text()];
  } catch (error) {
    return [0, String(error)];
  }
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: Any) -> Iterator[Portal]:
    folder = tmp_path_factory.mktemp("portal")
    with postgres_database(POSTGRES_URL) as database, portal(database, folder) as site:
        yield site


@pytest.fixture(scope="module")
def frontend() -> Iterator[str]:
    """Return the origin of pages that nobody has listed."""
    with serve_pages() as port:
        yield f"http://frontend.localhost:{port}"


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def new_page(browser: Browser, site: Portal) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a browser with root logged in; nothing may go wrong in it."""
    wrong: list[str] = []
    opened = []

    def open_page(width: int = 1280, scheme: Any = "light", **options: Any) -> Page:
        context = browser.new_context(
            base_url=site.admin, viewport={"width": width, "height": 900}, color_scheme=scheme, **options
        )
        opened.append(context)
        page = context.new_page()
        page.on("console", lambda m: wrong.append(m.text) if "Security Policy" in m.text else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
        page.goto("login/")
        page.get_by_label("Username").fill("root")
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url("**/admin/")
        return page

    yield open_page
    for context in opened:
        context.close()
    assert not wrong


def wait_for(page: Page, path: str, text: str) -> None:
    """Load a page again until it shows a text: what was refused is written down about once a second."""
    deadline = time.monotonic() + SEEN_SECONDS
    while True:
        page.goto(path)
        if text in page.locator("#content").inner_text():
            return
        assert time.monotonic() < deadline, f"{text} does not appear"
        time.sleep(0.2)


def test_an_administrator_approves_what_a_page_was_just_refused(
    site: Portal, frontend: str, browser: Browser, new_page: Callable[..., Page]
):
    partners = browser.new_context().new_page()
    partners.goto(frontend)
    urls = [f"http://127.0.0.1:{port}/mcp" for port in site.ports]
    for url in urls:
        assert partners.evaluate(CALL, [url, site.token])[0] == 0  # the browser keeps the answer from it

    admin = new_page()
    wait_for(admin, "mcp_guard/refusal/?reason=origin_not_listed", frontend)
    admin.get_by_role("link", name=frontend).first.click()
    expect(admin.locator("#content")).to_contain_text("a page on the visitor's own machine")
    admin.get_by_role("link", name="Approve").click()
    admin.get_by_label("Client").select_option("partner")
    expect(admin.get_by_label("notes (partner)")).to_be_checked()
    admin.get_by_role("button", name="Show what this writes").click()
    plan = admin.locator("#mcp-guard-plan")
    expect(plan).to_contain_text(frontend)
    expect(plan).to_contain_text("partner")
    assert partners.evaluate(CALL, [urls[0], site.token])[0] == 0
    admin.get_by_role("button", name="Approve: add this row").click()
    expect(admin.get_by_text(f"{frontend} is listed for partner on notes, in every process.")).to_be_visible()

    for url in urls:
        status, text = partners.evaluate(CALL, [url, site.token])
        assert status == 200, url
        assert "serverInfo" in text
    admin.goto("mcp_guard/refusal/")
    assert frontend not in admin.locator("#content").inner_text()
    admin.goto(f"mcp_guard/refusal/?state=approved&q={frontend}")
    expect(admin.locator("#result_list")).to_contain_text("approved")
    partners.context.close()


def test_hostile_strings_that_were_really_sent_are_text(site: Portal, new_page: Callable[..., Page]):
    evil = '"><img src=x onerror=alert(1)>real'
    head = f"GET /mcp HTTP/1.1\r\nHost: {evil}\r\nOrigin: https://{evil}\r\nUser-Agent: {evil}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", site.ports[0])) as raw:
        raw.sendall(head.encode())
        assert raw.recv(100).split()[1] in (b"400", b"421")

    page = new_page()
    wait_for(page, "mcp_guard/refusal/?q=real", f"https://{evil}")
    page.get_by_role("link", name="onerror").first.click()
    assert page.locator("#content").inner_text().count(evil) >= 3
    assert page.locator("#content img[src=x]").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_screen_fits_and_every_field_has_a_name(
    site: Portal, new_page: Callable[..., Page], width: int, scheme: str
):
    page = new_page(width, scheme)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)

    def look(name: str) -> None:
        page.screenshot(path=SCREENSHOTS / f"{name}-{width}-{scheme}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert page.evaluate(UNLABELLED) == [], name
        assert page.locator("#content img[src=x]").count() == 0

    screens = {
        "refusals": "?q=",
        "refusals-all": "?state=all",
        "refusals-lookalike": "?lookalike=listed",
        "refusals-none": "?q=zzz",
        **{f"refusal-{name}": f"{pk}/change/" for name, pk in site.rows.items() if name != "widened"},
        "refusal-approve": f"{site.rows['lookalike']}/approve/",
        "refusal-approve-hostile": f"{site.rows['hostile']}/approve/",
        "refusal-never": f"{site.rows['plain']}/never/",
        "refusal-reopen": f"{site.rows['never']}/reopen/",
    }
    for name, path in screens.items():
        assert page.goto(f"mcp_guard/refusal/{path}").status == 200, name
        look(name)
    for name in ("lookalike", "widened"):
        page.goto(f"mcp_guard/refusal/{site.rows[name]}/approve/")
        page.get_by_label("Client").select_option("partner")
        page.get_by_role("button", name="Show what this writes").click()
        expect(page.locator("#mcp-guard-plan")).to_be_visible()
        look(f"refusal-preview-{name}")
    page.goto(f"mcp_guard/refusal/{site.rows['plain']}/approve/")
    page.get_by_role("button", name="Show what this writes").click()
    expect(page.locator(".field-client .errorlist")).to_have_text("This field is required.")
    look("refusal-approve-mistake")


def test_the_hostile_group_shows_what_was_sent(site: Portal, new_page: Callable[..., Page]):
    page = new_page()
    page.goto(f"mcp_guard/refusal/{site.rows['hostile']}/change/")

    assert page.locator("#content").inner_text().count(EVIL) >= 3


def test_an_approval_goes_by_keyboard_alone(site: Portal, new_page: Callable[..., Page]):
    page = new_page()
    page.goto(f"mcp_guard/refusal/{site.rows['plain']}/approve/")
    assert page.evaluate("document.activeElement.id") == "id_client"
    page.keyboard.type("partner")
    press(page, "Show what this writes")
    press(page, "Approve: add this row")

    expect(page.get_by_text("is listed for partner on notes, in every process.")).to_be_visible()


def press(page: Page, name: str) -> None:
    """Go to a button by Tab, past the links of the side bar, and press it."""
    button = page.get_by_role("button", name=name)
    expect(button).to_be_visible()
    for _ in range(100):
        page.keyboard.press("Tab")
        if button.evaluate("element => element === document.activeElement"):
            page.keyboard.press("Enter")
            return
    pytest.fail(f"{name} is not reached by Tab")
