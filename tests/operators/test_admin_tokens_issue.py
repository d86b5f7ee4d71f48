"""Issue a token: its text is seen once by whoever made it, and by nobody and nothing else."""

from __future__ import annotations

import logging
import re
from datetime import timedelta

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from mcp_guard import changes, testing
from mcp_guard.admin.tokens import TokenAdmin
from mcp_guard.models import AuditEvent, Token, TokenSecret
from mcp_guard.tokens import digest
from tests.operators.admin_pages import (
    browser_of,
    errors,
    everything_stored,
    nothing_changes,
    revision,
    url,
)
from tests.operators.admin_tokens import ADD, TEXT, form, text_of

pytestmark = pytest.mark.django_db


def test_the_answer_to_the_post_shows_the_text_and_nothing_keeps_it(browser, root, partner, scope, caplog):
    caplog.set_level(logging.DEBUG)
    before = revision()
    response = browser.post(ADD, form(partner, scopes=[scope.pk]))
    text = text_of(response)
    assert "Location" not in response
    assert response["Referrer-Policy"] == "no-referrer"
    assert "no-store" in response["Cache-Control"]
    assert TokenSecret.objects.get().digest == digest(text).hex()
    token = Token.objects.get()
    assert (token.client, token.kind, token.endpoints) == (partner, "server", ["notes"])
    assert list(token.scopes.all()) == [scope]
    assert revision() == before + 1
    event = AuditEvent.objects.latest("pk")
    assert (event.tag, event.actor, event.after["scopes"]) == ("token:issue", root, ["read"])

    secret = text.removeprefix("mcpg_")[:-6]
    assert secret not in everything_stored()
    assert secret not in caplog.text
    assert secret not in str(response.headers) + str(response.cookies) + str(browser.cookies)
    assert LogEntry.objects.get().object_repr == str(token)
    pages = [
        url("token_changelist"),
        url("token_change", token.pk),
        url("token_history", token.pk),
        ADD,
        "/admin/",
    ]
    for page in [*pages, url("auditevent_change", event.pk)]:
        assert secret not in browser.get(page).content.decode()


def test_the_page_with_the_text_needs_no_inline_code_and_sends_no_form(browser, partner):
    page = browser.post(ADD, form(partner)).content.decode()
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", page, re.DOTALL)
    assert scripts
    assert all("src=" in attributes and not body.strip() for attributes, body in scripts)
    assert not re.findall(r"<style|\sstyle=|\son[a-z]+=|<form", page)
    assert "Do not send this page again" in page


def test_sending_the_form_again_never_shows_the_same_text(browser, partner):
    first = text_of(browser.post(ADD, form(partner)))
    second = text_of(browser.post(ADD, form(partner)))
    assert first != second
    assert Token.objects.count() == 2


def test_the_page_itself_forbids_to_keep_it(rf, root, partner):
    request = rf.post(ADD)
    request.user = root
    response = TokenAdmin(Token, admin.site).show_once(request, testing.issue_token(partner), title="Issued")
    assert response["Cache-Control"] == "no-store, private"


def test_an_error_while_the_page_is_made_does_not_show_the_text(partner, root, monkeypatch, settings, caplog):
    settings.DEBUG = True
    minted = []
    mint = changes.tokens.mint
    monkeypatch.setattr(changes.tokens, "mint", lambda: minted.append(mint()) or minted[-1])

    def fail(*arguments):
        context = arguments[-1]
        raise RuntimeError(str(context["title"]))

    monkeypatch.setattr(TokenAdmin, "page", fail)
    response = browser_of(root, raise_request_exception=False).post(ADD, form(partner))
    assert response.status_code == 500
    page = response.content.decode()
    assert "IssuedSecret" in page
    assert minted
    assert minted[0] not in page
    assert minted[0] not in caplog.text


@pytest.mark.parametrize(
    ("wrong", "field", "message"),
    [
        ({"name": ""}, "name", "This field is required."),
        (
            {"name": "a\u202eb"},
            "name",
            "there is an invisible character in it; type it instead of pasting it",
        ),
        ({"client": ""}, "client", "This field is required."),
        ({"kind": "odd"}, "kind", "Select a valid choice. odd is not one of the available choices."),
        (
            {"endpoints": ["elsewhere"]},
            "endpoints",
            "Select a valid choice. elsewhere is not one of the available choices.",
        ),
        ({"user": "nobody"}, "user", "there is no such user; type the name exactly"),
        ({"user": "\x00"}, "user", "Null characters are not allowed."),
        (
            {"expires_at_0": "2099-01-01", "expires_at_1": "00:00"},
            "expires_at",
            "a token lives at most 90 days (MCP_GUARD['TOKEN_MAX_DAYS'])",
        ),
        ({"expires_at_0": "2020-01-01", "expires_at_1": "00:00"}, "expires_at", "this moment has passed"),
        (
            {"not_before_0": "2099-01-01", "not_before_1": "00:00"},
            "not_before",
            "it would begin after it has expired",
        ),
    ],
)
def test_bad_input_is_refused_beside_its_field(browser, partner, wrong, field, message):
    with nothing_changes():
        response = browser.post(ADD, form(partner, **wrong))
    assert errors(response) == {field: [message]}
    assert not TEXT.search(response.content.decode())


def test_what_is_left_open_gets_the_narrowest_value(browser, partner):
    values = form(partner)
    del values["kind"], values["endpoints"]
    text_of(browser.post(ADD, values))
    token = Token.objects.get()
    assert (token.kind, token.endpoints, list(token.scopes.all()), token.user) == ("server", [], [], None)
    left = token.expires_at - timezone.now()
    assert timedelta(days=89) < left <= timedelta(days=90)


def test_the_user_is_typed_by_name(browser, partner, root):
    text_of(browser.post(ADD, form(partner, user="root")))
    assert Token.objects.get().user == root


def test_a_weak_or_useless_token_is_said_to_be_one(browser, partner):
    page = browser.post(ADD, form(partner, kind="any", endpoints=[])).content.decode()
    for warning in ("it names no endpoint", "it has no scope", "a leaked one works from everywhere"):
        assert warning in page
    page = browser.get(url("token_changelist")).content.decode()
    assert "any: works from everywhere" in page
    assert page.count("⚠ </span>opens nothing") == 2
