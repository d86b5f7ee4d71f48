"""The text of a token is nowhere but in the one response that shows it, whatever is done or fails."""

from __future__ import annotations

import json
import logging

import pytest
from django.contrib.admin.models import LogEntry
from django.db import OperationalError

from mcp_guard import gate, testing
from mcp_guard.audit import events, export, sums
from mcp_guard.models import AuditEvent, Token, TokenSecret
from tests.operators.admin_pages import Browser, browser_of, everything_stored, superuser, url
from tests.operators.admin_tokens import ADD, form, rotation, text_of
from tests.operators.command_line import runner

pytestmark = pytest.mark.django_db

CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "any", "arguments": {}}}


class Seen:
    """All that came out of the site besides the responses that show a token once."""

    def __init__(self, caplog) -> None:
        self.caplog = caplog
        self.texts: list[str] = []

    def note(self, response) -> None:
        self.texts += [response.content.decode(), repr(response.headers), str(response.cookies)]

    def everything(self) -> str:
        """Return it together with the log and all that is stored, recorded and exported."""
        sums.sum_up_at_once()
        events.flush()
        exported = [
            *export.lines(AuditEvent.objects.all(), "csv"),
            *export.lines(AuditEvent.objects.all(), "json"),
        ]
        logged = [logging.Formatter().format(record) for record in self.caplog.records]
        entries = [entry.get_change_message() for entry in LogEntry.objects.all()]
        return "\n".join([*self.texts, *exported, *logged, *entries, self.caplog.text, everything_stored()])


@pytest.fixture
def seen(caplog):
    caplog.set_level(logging.DEBUG)
    return Seen(caplog)


@pytest.fixture(autouse=True)
def site(settings):
    settings.DEBUG = True
    settings.ALLOWED_HOSTS = ["testserver"]
    settings.MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"
    settings.ROOT_URLCONF = "tests.operators.crashing_urls"
    tools = {"profile": "token", "token_header": "X-MCP-Auth-Token", "audit_calls": "arguments"}
    settings.MCP_GUARD = {"ENDPOINTS": {"tools": tools, "notes": {"profile": "partner"}}}
    with testing.policy_of_this_connection():
        yield


@pytest.fixture
def any_tool():
    return testing.grant_scope("any", "tools/call:any")


def assert_nowhere(text: str, seen: Seen) -> None:
    """The secret part of a text is not to be found; the checksum, which masks show, may be."""
    secret = text.removeprefix("mcpg_")[:-6]
    found = seen.everything()
    where = found.find(secret)
    assert where < 0, found[max(0, where - 300) : where + 80]


def operator(**options):
    return browser_of(superuser(), raise_request_exception=False, **options)


def test_issuing_and_rotating_in_the_admin(seen, partner, any_tool):
    browser = operator()
    issued = text_of(browser.post(ADD, form(partner, scopes=[any_tool.pk])))
    token = Token.objects.get()
    rotated = text_of(browser.post(url("token_rotate", token.pk), rotation(token, 24)))
    event = AuditEvent.objects.latest("pk")
    of_token = [url(f"token_{view}", token.pk) for view in ("change", "history")]
    pages = [url("token_changelist"), url("auditevent_changelist"), url("auditevent_change", event.pk)]
    for page in ["/admin/", *pages, *of_token]:
        seen.note(browser.get(page))
    seen.note(browser.post(url("token_revoke", token.pk), {"post": "yes"}))

    assert issued != rotated
    for text in (issued, rotated):
        assert_nowhere(text, seen)


def test_issuing_and_rotating_on_the_command_line(seen, partner, any_tool, monkeypatch):
    run = runner(monkeypatch)
    arguments = ("--client", "partner", "--name", "ci", "--endpoint", "tools", "--scope", "any", "--json")
    issued = run("token", "issue", *arguments).data
    rotated = run("token", "rotate", str(issued["id"]), "--json").data
    for command in (
        ("token", "list"),
        ("audit", "list", "--json"),
        ("token", "list", issued["token"]),
        ("token", "revoke", rotated["token"]),
        ("audit", "list", "--search", issued["token"]),
    ):
        result = run(*command)
        seen.texts += [result.out, result.err]

    for text in (issued["token"], rotated["token"]):
        assert_nowhere(text, seen)


@pytest.mark.parametrize("is_revoked", [False, True])
def test_using_a_token_wherever_it_may_stand(seen, partner, any_tool, is_revoked):
    text = testing.issue_token(partner, "tools", scopes=[any_tool]).text
    if is_revoked:
        testing.changes.revoke_token(testing.ACTOR, Token.objects.get())
    browser = Browser(raise_request_exception=False, headers={"host": "testserver"})
    body = json.dumps(CALL)
    bearer = {"authorization": f"Bearer {text}"}
    for path, headers, cookie in (
        ("/crash", bearer, ""),
        ("/crash", {"x-mcp-auth-token": text}, ""),
        ("/crash", bearer | {"x-mcp-auth-token": text}, ""),
        ("/crash", {"authorization": f"Basic {text}"}, ""),
        ("/crash", {"authorization": text}, ""),
        ("/crash", {"origin": f"https://{text}.example", "user-agent": text}, ""),
        (f"/crash?access_token={text}", {}, ""),
        (f"/crash?anything={text}", bearer, ""),
        ("/crash", {}, text),
        ("/crash", bearer, text),
    ):
        browser.cookies.clear()
        if cookie:
            browser.cookies["sessionid"] = cookie
        seen.note(browser.post(path, body, "application/json", headers=headers))
    status = browser.post("/crash", body, "application/json", headers=bearer).status_code

    assert status == (401 if is_revoked else 500)
    assert_nowhere(text, seen)


def crashing(*_args, **_kwargs):
    raise RuntimeError("a fault of the program")


@pytest.mark.parametrize("headers", [{"authorization": "Bearer {}"}, {"x-mcp-auth-token": "{}"}], ids=str)
def test_a_fault_of_the_rules_themselves(seen, partner, any_tool, monkeypatch, headers):
    text = testing.issue_token(partner, "tools", scopes=[any_tool]).text
    browser = Browser(raise_request_exception=False, headers={"host": "testserver"})
    browser.post(
        "/crash"
    )  # reads policy, so that nothing has to be settled, where no fault ends in an error page
    monkeypatch.setattr(gate.rules, "decide", crashing)

    headers = {name: value.format(text) for name, value in headers.items()}
    response = browser.post("/crash", json.dumps(CALL), "application/json", headers=headers)

    assert response.status_code == 500
    assert b"a fault of the program" in response.content
    seen.note(response)
    assert_nowhere(text, seen)


@pytest.fixture
def minted(monkeypatch):
    """Note the texts that are minted; the one response does not come."""
    from mcp_guard.changes import tokens

    texts = []
    original = tokens.mint

    def mint():
        texts.append(original())
        return texts[-1]

    monkeypatch.setattr(tokens, "mint", mint)
    return texts


def refusing(*_args, **_kwargs):
    raise OperationalError("the disk is full")


@pytest.mark.parametrize("what", ["issue", "rotate"])
@pytest.mark.parametrize("place", ["storing", "showing"])
def test_a_fault_between_minting_and_showing(seen, partner, any_tool, minted, monkeypatch, what, place):
    from mcp_guard.admin.tokens import TokenAdmin

    token = testing.issue_token(partner, "tools", scopes=[any_tool]).token
    minted.clear()
    browser = operator()
    if place == "storing":
        monkeypatch.setattr(TokenSecret, "_do_insert", refusing)
    else:
        monkeypatch.setattr(TokenAdmin, "page", refusing)

    if what == "issue":
        response = browser.post(ADD, form(partner, scopes=[any_tool.pk]))
    else:
        response = browser.post(url("token_rotate", token.pk), rotation(token, 24))

    assert response.status_code == 500
    assert b"the disk is full" in response.content
    seen.note(response)
    assert minted
    for text in minted:
        assert_nowhere(text, seen)


def test_the_search_would_find_one(seen, partner, any_tool):
    text = testing.issue_token(partner, "tools", scopes=[any_tool]).text
    testing.changes.set_client(testing.ACTOR, partner, notes=text)

    with pytest.raises(AssertionError):
        assert_nowhere(text, seen)
