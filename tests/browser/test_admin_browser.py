"""The admin in a real browser: under a strict policy, by keyboard, on small and dark screens."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone
from playwright.sync_api import expect, sync_playwright

from mcp_guard import changes, testing
from mcp_guard.audit import seal
from mcp_guard.models import AllowedOrigin, AuditEvent, Client, ProcessState, Refusal, Scope, Shipment, Token
from mcp_guard.writing import policy_write
from tests.browser.observed import APP, record, see, use
from tests.browser.registered import register

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SCREENSHOTS = Path(__file__).resolve().parents[2] / "var" / "screenshots"
EVIL = '"><img src=x onerror=alert(1)><script>alert(2)</script>'
LONG = "https://" + ".".join(["verylonglabel" * 4] * 4) + ".example"

UNLABELLED = """() => {
  const said = (label) => label && (label.textContent.trim() || label.querySelector("img[alt]"));
  const named = (e) => said(e.labels?.[0])
    || e.ariaLabel || e.title || e.hasAttribute("aria-labelledby")
    || (["submit", "button"].includes(e.type) && (e.value || e.textContent.trim()));
  return [...document.querySelectorAll("#content :is(input, select, textarea, button)")]
    .filter((e) => e.type !== "hidden" && e.checkVisibility() && !e.closest(".select2") && !named(e))
    .map((e) => e.outerHTML);
}"""


def ship(settings):
    """Declare a collector that refuses with a hostile text, and one that has everything."""
    siem, logs = {"url": f"https://{'collector.' * 6}example.com/"}, {"url": "syslog+tls://10.0.0.9"}
    settings.MCP_GUARD = {**settings.MCP_GUARD, "SHIP": {"siem": siem, "logs": logs}}
    now, last = timezone.now(), seal.seal_all()
    Shipment.objects.create(destination="siem", failures=7, last_error=EVIL * 3, next_at=now)
    Shipment.objects.create(destination="logs", seq=last, shipped_at=now)


@pytest.fixture
def policy(transactional_db, settings):
    """Every kind of row there is, also hostile and broken ones; return the page of each screen."""
    root = get_user_model().objects.create_superuser("root", password="root")
    soon = timezone.now() + timedelta(days=3)
    scope = testing.grant_scope("notes-read", "tools/call:read_note", "resources/read:note://public/*")
    testing.grant_scope("later")
    acme = testing.add_client("acme", owner=EVIL, scopes=[scope])
    off = testing.add_client("former-partner")
    listed = testing.list_origin("https://bücher.example:8443", acme, "notes", cookies=True)
    long = testing.list_origin(LONG, acme, "notes", expires_at=soon)
    testing.list_origin("https://nothing.example", off)
    token = testing.issue_token(acme, "notes", scopes=[scope], name="nightly import").token
    changes.rotate_token(testing.ACTOR, token)
    testing.issue_token(acme, "notes", scopes=[scope], name=EVIL[:80], kind="any", user=root)
    testing.issue_token(off, name="empty one", expires_at=soon)
    revoked = testing.issue_token(off, "notes", name="revoked one").token
    changes.revoke_token(testing.ACTOR, revoked)
    changes.set_client(testing.ACTOR, off, active=False)
    event = AuditEvent.objects.get(tag="token:rotate").pk
    changes.report_only(testing.ACTOR, "notes", until=soon)
    with policy_write():
        broken = AllowedOrigin.objects.create(
            origin=f"https://{EVIL}", client=acme, endpoints=["notes", EVIL]
        )
        Scope.objects.create(name="broken", grants=[EVIL])
    for pid, seen_at in ((1, timezone.now()), (2, timezone.now() - timedelta(hours=1))):
        ProcessState.objects.create(
            id=uuid4(), host="web-7f9c6d5b8-" + "x" * 60, pid=pid, started_at=seen_at, seen_at=seen_at,
            revision=1, age=0.01, source=EVIL[:20], connections={EVIL: 3, "acme": 12, "": 1},
        )  # fmt: skip
    see(EVIL)
    hostile, good = (Refusal.objects.filter(origin=name).first().pk for name in (EVIL, APP))
    ship(settings)
    use(token, EVIL)
    called = record(EVIL).pk
    return {
        "index": "", "app": "mcp_guard/", "dashboard": "mcp_guard/endpointstate/dashboard/",
        "clients": "mcp_guard/client/",
        "client": f"mcp_guard/client/{acme.pk}/change/", "client-add": "mcp_guard/client/add/",
        "revoke-all": f"mcp_guard/client/{acme.pk}/revoke-tokens/",
        "client-protected": f"mcp_guard/client/{acme.pk}/delete/",
        "origins": "mcp_guard/allowedorigin/", "origin-add": "mcp_guard/allowedorigin/add/",
        "origin": f"mcp_guard/allowedorigin/{listed.pk}/change/",
        "origin-long": f"mcp_guard/allowedorigin/{long.pk}/change/",
        "origin-broken": f"mcp_guard/allowedorigin/{broken.pk}/change/",
        "scopes": "mcp_guard/scope/", "scope": f"mcp_guard/scope/{scope.pk}/change/",
        "scope-add": "mcp_guard/scope/add/", "tokens": "mcp_guard/token/",
        "tokens-none": "mcp_guard/token/?q=zzz", "token-add": "mcp_guard/token/add/",
        "token": f"mcp_guard/token/{token.pk}/change/",
        "token-revoked": f"mcp_guard/token/{revoked.pk}/change/",
        "token-review": "mcp_guard/token/review/",
        "client-check": f"mcp_guard/client/{acme.pk}/check/",
        "token-rotate": f"mcp_guard/token/{token.pk}/rotate/",
        "token-revoke": f"mcp_guard/token/{token.pk}/revoke/",
        "token-delete": f"mcp_guard/token/{token.pk}/delete/",
        "refusals": "mcp_guard/refusal/", "refusal": f"mcp_guard/refusal/{good}/change/",
        "refusal-hostile": f"mcp_guard/refusal/{hostile}/change/",
        "refusal-approve": f"mcp_guard/refusal/{good}/approve/",
        "refusal-cannot": f"mcp_guard/refusal/{hostile}/approve/",
        "refusal-never": f"mcp_guard/refusal/{good}/never/",
        "endpoints": "mcp_guard/endpointstate/", "endpoint": "mcp_guard/endpointstate/notes/change/",
        "status": "mcp_guard/endpointstate/status/", "audit": "mcp_guard/auditevent/",
        "audit-event": f"mcp_guard/auditevent/{event}/change/",
        "audit-call": f"mcp_guard/auditevent/{called}/change/",
        "audit-chosen": "mcp_guard/auditevent/?category__exact=authentication",
        "audit-none": "mcp_guard/auditevent/?q=zzz",
        **register(settings, EVIL),
    }  # fmt: skip


@pytest.fixture
def new_page(chromium, live_server, settings, monkeypatch):
    """Return a function that opens a browser with root logged in; nothing may go wrong in it."""
    # Playwright's loop runs in this thread; the ORM may be asked here all the same
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    guard, *others = settings.MIDDLEWARE
    settings.MIDDLEWARE = [guard, "tests.browser.strict_csp.StrictContentSecurityPolicy", *others]
    wrong: list[str] = []

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])

        def open_page(width=1280, scheme="light", **options):
            context = browser.new_context(
                base_url=f"{live_server.url}/admin/",
                viewport={"width": width, "height": 900},
                color_scheme=scheme,
                permissions=["clipboard-read", "clipboard-write"],
                **options,
            )
            page = context.new_page()
            page.on("console", lambda m: wrong.append(m.text) if "Security Policy" in m.text else None)
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
            page.goto("login/")
            page.get_by_label("Username").fill("root")
            page.get_by_label("Password").fill("root")
            page.keyboard.press("Enter")
            page.wait_for_url("**/admin/")
            return page

        yield open_page
        browser.close()
    assert not wrong


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_screen_fits_and_every_field_has_a_name(policy, new_page, width, scheme):
    page = new_page(width, scheme)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for name, path in policy.items():
        assert page.goto(path).status == 200, name
        assert page.url.endswith(f"/admin/{path}"), name
        page.screenshot(path=SCREENSHOTS / f"{name}-{width}-{scheme}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert page.evaluate(UNLABELLED) == [], name
        assert page.locator("#content img[src=x]").count() == 0


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_what_nothing_has_happened_on_fits_too(transactional_db, new_page, width, scheme):
    get_user_model().objects.create_superuser("root", password="root")
    page = new_page(width, scheme)
    for name, path in {
        "app-empty": "mcp_guard/",
        "endpoint-empty": "mcp_guard/endpointstate/notes/change/",
    }.items():
        assert page.goto(path).status == 200
        page.screenshot(path=SCREENSHOTS / f"{name}-{width}-{scheme}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name


def test_the_numbers_of_a_picture_open_with_the_keyboard(policy, new_page):
    page = new_page(390)
    page.goto("mcp_guard/")
    tab_to(page, page.get_by_text("As a table").first)
    page.keyboard.press("Enter")
    expect(page.locator(".mcp-guard-numbers").first).to_be_visible()
    page.screenshot(path=SCREENSHOTS / "app-table-390-light.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.get_by_role("img", name="The last 24 hours: let in").count() == 1


def test_what_an_approval_writes_is_shown_on_a_small_screen(policy, new_page):
    page = new_page(390, "dark")
    page.goto(policy["refusal-approve"])
    page.get_by_label("Client").select_option(label="acme")
    page.get_by_role("button", name="Show what this writes").click()
    expect(page.locator("#mcp-guard-plan")).to_contain_text(APP)
    page.screenshot(path=SCREENSHOTS / "refusal-preview-390-dark.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_an_issued_text_is_copied_and_gone_after_a_reload(policy, new_page):
    page = new_page()
    page.goto(f"mcp_guard/token/add/?client={Client.objects.get(name='acme').pk}")
    page.get_by_label("Name").fill("by browser")
    page.get_by_label("notes (partner)").check()
    before = Token.objects.count()
    page.get_by_role("button", name="Issue and show the token once").click()
    shown = page.locator("#mcp-guard-text").inner_text()
    page.screenshot(path=SCREENSHOTS / "token-issued-1280-light.png", full_page=True)
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("status")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == shown
    page.reload()
    token = Token.objects.get(name="by browser")
    assert page.url.endswith(f"/token/{token.pk}/change/")
    assert shown not in page.content()
    assert Token.objects.count() == before + 1
    page.go_back()
    assert shown not in page.content()
    kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    assert shown.removeprefix("mcpg_") not in kept


def test_without_a_clipboard_the_text_is_selected(policy, new_page):
    page = new_page()
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.goto(f"mcp_guard/token/{Token.objects.get(name='nightly import').pk}/rotate/")
    page.get_by_label("End the older secrets now").check()
    page.get_by_role("button", name="Rotate").click()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("status")).to_have_text("Copied")
    assert page.evaluate("getSelection().toString()") == page.locator("#mcp-guard-text").inner_text()


def test_without_scripts_the_text_is_still_shown(policy, new_page):
    page = new_page(java_script_enabled=False)
    page.goto(f"mcp_guard/token/{Token.objects.get(name='nightly import').pk}/rotate/")
    page.get_by_label("End the older secrets now").check()
    page.get_by_role("button", name="Rotate").click()
    expect(page.locator("#mcp-guard-text")).to_be_visible()
    expect(page.get_by_role("button", name="Copy")).to_be_hidden()


def test_the_warning_that_nothing_is_opened_follows_the_boxes(policy, new_page):
    page = new_page()
    page.goto("mcp_guard/allowedorigin/add/")
    warning = page.get_by_text("No endpoint is ticked: this opens nothing.")
    expect(warning).to_be_visible()
    page.get_by_label("notes (partner)").check()
    expect(warning).to_be_hidden()
    page.goto("mcp_guard/scope/add/")
    warning = page.get_by_text("No grant stands here: this opens nothing.")
    expect(warning).to_be_visible()
    page.get_by_label("Grants").fill("ping")
    expect(warning).to_be_hidden()


def test_an_origin_is_listed_with_the_keyboard_alone(policy, new_page):
    page = new_page()
    page.goto("mcp_guard/allowedorigin/add/")
    keys = page.keyboard
    expect(page.get_by_role("textbox", name="Origin")).to_be_focused()
    keys.type("HTTPS://Partner.example")
    keys.press("Tab")
    keys.press("Enter")
    keys.type("acme")
    expect(page.locator(".select2-results__option--highlighted")).to_have_text("acme")
    keys.press("Enter")
    tab_to(page, page.get_by_label("notes (partner)"))
    keys.press("Space")
    tab_to(page, page.get_by_role("button", name="Save", exact=True))
    keys.press("Enter")
    expect(page.get_by_text("is stored as https://partner.example")).to_be_visible()
    row = AllowedOrigin.objects.get(origin="https://partner.example")
    assert (row.client.name, row.endpoints) == ("acme", ["notes"])


def test_mistakes_stand_beside_their_fields(policy, new_page):
    page = new_page(390, "dark")
    page.goto("mcp_guard/allowedorigin/add/")
    page.get_by_role("textbox", name="Origin").fill("https://app.example.com/path")
    page.get_by_role("button", name="Save", exact=True).click()
    beside = page.locator(".field-origin .errorlist")
    expect(beside).to_have_text("an origin has no path: remove “/” and what belongs to it")
    page.screenshot(path=SCREENSHOTS / "origin-refused-390-dark.png", full_page=True)
    page.goto("mcp_guard/scope/add/")
    page.get_by_label("Name").fill("bad")
    page.get_by_label("Grants").fill("ping\n*")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".field-grants .errorlist")).to_contain_text("line 2: “*” would open everything")
    page.screenshot(path=SCREENSHOTS / "scope-refused-390-dark.png", full_page=True)


def tab_to(page, target):
    """Press Tab until the target has the focus."""
    for _ in range(30):
        page.keyboard.press("Tab")
        if target.evaluate("element => element === document.activeElement"):
            return
    pytest.fail("the element is not reached by Tab")
