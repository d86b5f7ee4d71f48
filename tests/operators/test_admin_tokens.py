"""The screen of tokens: a text is seen once by whoever made it, and by nobody and nothing else."""

from __future__ import annotations

import logging
import re
from datetime import timedelta

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mcp_guard import changes, testing
from mcp_guard.admin import states
from mcp_guard.admin.tokens import TokenAdmin
from mcp_guard.models import AuditEvent, Token, TokenSecret
from mcp_guard.tokens import digest, is_well_formed
from mcp_guard.writing import policy_write
from tests.operators.admin_pages import (
    browser_of,
    errors,
    everything_stored,
    nothing_changes,
    revision,
    staff,
    superuser,
    tags,
    told,
    url,
)  # fmt: skip

pytestmark = pytest.mark.django_db

ADD = "/admin/mcp_guard/token/add/"
TEXT = re.compile(r"mcpg_[0-9A-Za-z]{49}")


@pytest.fixture
def scope():
    return testing.grant_scope("read", "tools/call:read_note")


@pytest.fixture
def partner():
    return testing.add_client("partner")


@pytest.fixture
def root(db):
    return superuser()


@pytest.fixture
def browser(root):
    return browser_of(root)


@pytest.fixture
def token(partner, scope):
    return testing.issue_token(partner, "notes", scopes=[scope], name="ci").token


def form(owner, **values):
    return {"client": owner.pk, "name": "ci", "kind": "server", "endpoints": ["notes"]} | values


def text_of(response) -> str:
    """Return the one token text of a page."""
    assert response.status_code == 200
    (text,) = set(TEXT.findall(response.content.decode()))
    assert is_well_formed(text)
    return text


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


def test_rotating_shows_the_new_text_once_and_keeps_the_old_one_for_the_overlap(browser, token):
    rotate = url("token_rotate", token.pk)
    with nothing_changes():
        assert browser.get(rotate).context["form"]["overlap"].value() == 24
    response = browser.post(rotate, {"overlap": "2"})
    text = text_of(response)
    assert "The old secret goes on working for 2 hours." in response.content.decode()
    assert response["Referrer-Policy"] == "no-referrer"
    assert "no-store" in response["Cache-Control"]
    newest, old = TokenSecret.objects.order_by("-pk")
    assert (newest.digest, newest.expires_at) == (digest(text).hex(), None)
    assert timedelta(hours=1, minutes=59) < old.expires_at - timezone.now() <= timedelta(hours=2)
    assert tags()[-1] == "token:rotate"
    secret = text.removeprefix("mcpg_")[:-6]
    assert secret not in everything_stored()
    page = browser.get(url("token_change", token.pk)).content.decode()
    assert newest.mask in page
    assert old.mask in page
    assert secret not in page


def test_an_overlap_of_nothing_ends_the_old_secret_at_once(browser, token):
    response = browser.post(url("token_rotate", token.pk), {"overlap": "0"})
    assert "The old secret has ended." in response.content.decode()
    _, old = TokenSecret.objects.order_by("-pk")
    assert old.expires_at <= timezone.now()
    page = browser.get(url("token_change", token.pk)).content.decode()
    assert (token.secrets.latest("pk").mask in page, old.mask in page) == (True, False)


@pytest.mark.parametrize("overlap", ["", "-1", "169", "x", "1.5"])
def test_an_overlap_out_of_bounds_is_refused_beside_the_field(browser, token, overlap):
    with nothing_changes():
        response = browser.post(url("token_rotate", token.pk), {"overlap": overlap})
    assert list(response.context["form"].errors) == ["overlap"]
    assert not TEXT.search(response.content.decode())


@pytest.mark.parametrize(
    ("ending", "message"),
    [
        ({"revoked_at": timezone.now()}, "the token is revoked; issue a new one"),
        ({"expires_at": timezone.now() - timedelta(days=1)}, "the token has expired; issue a new one"),
    ],
)
def test_a_token_that_has_ended_is_not_rotated(browser, token, ending, message):
    with policy_write():
        Token.objects.update(**ending)
    with nothing_changes():
        response = browser.post(url("token_rotate", token.pk), {"overlap": "1"})
    assert response.context["form"].non_field_errors() == [message]


def test_revoking_asks_first_and_takes_a_post(browser, token):
    revoke = url("token_revoke", token.pk)
    with nothing_changes():
        assert "ci (#" in browser.get(revoke).content.decode()
        browser.head(revoke)
    response = browser.post(revoke, follow=True)
    assert told(response) == ["1 token is revoked."]
    token.refresh_from_db()
    assert token.revoked_at is not None
    assert tags()[-1] == "token:revoke"
    assert LogEntry.objects.latest("pk").change_message == "Revoked."


def test_a_revoked_token_can_only_be_read_or_deleted(browser, token):
    changes.revoke_token(testing.ACTOR, token)
    change = url("token_change", token.pk)
    page = browser.get(change)
    assert "This token is revoked for good and cannot be changed." in page.content.decode()
    assert b'name="name"' not in page.content
    with nothing_changes():
        assert browser.post(change, {"name": "other"}).status_code == 403
    assert browser.post(url("token_delete", token.pk), {"post": "yes"}).status_code == 302
    assert (Token.objects.count(), TokenSecret.objects.count(), tags()[-1]) == (0, 0, "token:delete")


def test_selected_tokens_are_revoked_after_a_question(browser, partner, token):
    other = testing.issue_token(partner, "notes", name="other").token
    kept = testing.issue_token(partner, "notes", name="kept").token
    values = {"action": "revoke_selected", "_selected_action": [token.pk, other.pk]}
    with nothing_changes():
        question = browser.post(url("token_changelist"), values).content.decode()
    assert "ci (#" in question
    assert "kept (#" not in question
    response = browser.post(url("token_changelist"), values | {"confirmed": "yes"}, follow=True)
    assert told(response) == ["2 tokens are revoked."]
    assert list(Token.objects.filter(revoked_at=None)) == [kept]
    assert tags()[-2:] == ["token:revoke"] * 2


def test_delete_selected_goes_through_changes(browser, partner, token):
    other = testing.issue_token(partner, "notes", name="other").token
    before = revision()
    values = {"action": "delete_selected", "_selected_action": [token.pk, other.pk], "post": "yes"}
    browser.post(url("token_changelist"), values)
    assert Token.objects.count() == 0
    assert tags()[-2:] == ["token:delete"] * 2
    assert revision() == before + 2


def test_all_tokens_of_a_client_are_revoked_at_once(browser, partner, token):
    other = testing.issue_token(testing.add_client("other"), "notes").token
    revoke = url("client_revoke_tokens", partner.pk)
    with nothing_changes():
        assert "ci (#" in browser.get(revoke).content.decode()
    assert told(browser.post(revoke, follow=True)) == ["1 token is revoked."]
    assert list(Token.objects.filter(revoked_at=None)) == [other]
    assert tags()[-1] == "client:revoke-tokens"


def test_every_write_needs_the_csrf_token(root, partner, token):
    browser = browser_of(root, enforce_csrf_checks=True)
    posts = {
        ADD: form(partner),
        url("token_change", token.pk): {"name": "other", "kind": "server"},
        url("token_rotate", token.pk): {"overlap": "1"},
        url("token_revoke", token.pk): {},
        url("token_delete", token.pk): {"post": "yes"},
        url("client_revoke_tokens", partner.pk): {},
    }
    with nothing_changes():
        assert {browser.post(page, values).status_code for page, values in posts.items()} == {403}


@pytest.mark.parametrize(
    ("permissions", "allowed"),
    [
        ([], set()),
        (["view_token"], set()),
        (["view_token", "add_token"], {"add"}),
        (["view_token", "change_token"], {"change", "rotate"}),
        (["view_token", "revoke_token"], {"revoke", "revoke-all"}),
        (["revoke_token"], {"revoke", "revoke-all"}),
        (["view_token", "delete_token"], {"delete"}),
    ],
)
def test_each_operation_needs_its_own_permission(partner, token, permissions, allowed):
    browser = browser_of(staff(*permissions))
    operations = {
        "change": (url("token_change", token.pk), changed(token)),
        "rotate": (url("token_rotate", token.pk), {"overlap": "1"}),
        "add": (ADD, form(partner)),
        "revoke": (url("token_revoke", token.pk), {}),
        "revoke-all": (url("client_revoke_tokens", partner.pk), {}),
        "delete": (url("token_delete", token.pk), {"post": "yes"}),
    }
    for name, (page, values) in operations.items():
        before = revision()
        response = browser.post(page, values)
        done = name in allowed
        assert (response.status_code == 403) is not done, name
        if not done:
            assert revision() == before, name
        elif name != "revoke-all" or "revoke" not in allowed:
            assert revision() == before + 1, name


def test_actions_are_offered_to_whom_they_are_permitted(token):
    values = {"action": "revoke_selected", "_selected_action": [token.pk], "confirmed": "yes"}
    browser = browser_of(staff("view_token", "change_token"))
    with nothing_changes():
        browser.post(url("token_changelist"), values)
    page = browser.get(url("token_change", token.pk)).content.decode()
    assert ("/rotate/" in page, "/revoke/" in page) == (True, False)
    browser = browser_of(staff("view_token", "revoke_token", name="revoker"))
    page = browser.get(url("token_change", token.pk)).content.decode()
    assert ("/rotate/" in page, "/revoke/" in page) == (False, True)


def test_an_unknown_token_is_not_found_and_not_told_to_who_may_not_look(browser):
    assert browser.get(url("token_revoke", 4711)).status_code == 404
    assert browser.get(url("token_rotate", 4711)).status_code == 404
    stranger = browser_of(staff("view_scope"))
    assert stranger.get(url("token_revoke", 4711)).status_code == 403
    assert stranger.get(url("token_rotate", 4711)).status_code == 403


def test_client_and_user_of_an_issued_token_stay(browser, partner, token):
    other = testing.add_client("other")
    values = changed(token) | {"client": other.pk, "user": "root"}
    assert browser.post(url("token_change", token.pk), values).status_code == 302
    token.refresh_from_db()
    assert (token.name, token.client, token.user) == ("changed", partner, None)
    event = AuditEvent.objects.latest("pk")
    assert (event.before["name"], event.after["name"]) == ("ci", "changed")


def test_a_digest_is_never_shown(browser, token):
    stored = TokenSecret.objects.get().digest
    for page in (url("token_changelist"), url("token_change", token.pk), url("token_delete", token.pk)):
        assert stored not in browser.get(page).content.decode()


def test_an_unknown_kind_is_marked_and_repaired_by_saving(browser, token):
    with policy_write():
        Token.objects.update(kind="odd")
    page = browser.get(url("token_changelist")).content.decode()
    assert "odd: no such kind" in page
    assert "cannot be used" in page
    values = changed(token) | {"kind": "server"}
    assert browser.post(url("token_change", token.pk), values).status_code == 302
    assert Token.objects.get().kind == "server"


def test_states_of_the_column_and_of_the_filter_agree(browser, partner, token):
    now, off = timezone.now(), testing.add_client("off")
    gone = get_user_model().objects.create_user("gone", is_active=False)
    here = get_user_model().objects.create_user("here")

    def issue(name, client=partner, **values):
        issued = testing.issue_token(client, "notes", name=name).token
        with policy_write():
            Token.objects.filter(pk=issued.pk).update(**values)

    issue("live", user=here, not_before=now - timedelta(hours=1))
    issue("expiring", expires_at=now + timedelta(days=2))
    issue("not-yet", not_before=now + timedelta(hours=1))
    issue("expired", expires_at=now - timedelta(hours=1), user=gone)
    issue("revoked", revoked_at=now, expires_at=now - timedelta(hours=1))
    issue("user-inactive", user=gone, not_before=now + timedelta(hours=1))
    issue("client-disabled", client=off, user=gone)
    with policy_write():
        off.active = False
        off.save()
    shown = {}
    for state in states.TOKEN_STATES:
        page = browser.get(url("token_changelist"), {"state": state.value})
        rows = list(page.context["cl"].queryset)
        assert {states.of_token(row, now) for row in rows} == {state}
        assert page.content.decode().count(f'data-state="{state.value}"') == len(rows)
        shown |= {row.name: state.value for row in rows}
    assert shown == {state.value: state.value for state in states.TOKEN_STATES} | {"ci": "live"}


def test_tokens_are_found_by_the_end_of_their_secret(browser, partner, token):
    testing.issue_token(partner, "notes", name="other")
    mask = token.secrets.get().mask
    page = browser.get(url("token_changelist"), {"q": mask[-6:]})
    assert [row.pk for row in page.context["cl"].queryset] == [token.pk]


def test_the_list_asks_the_database_as_often_for_many_tokens_as_for_few(browser, root, scope, token):
    with CaptureQueriesContext(connection) as few:
        browser.get(url("token_changelist"))
    for number in range(10):
        client = testing.add_client(f"client{number}")
        testing.issue_token(client, "notes", scopes=[scope], user=root)
    with CaptureQueriesContext(connection) as many:
        browser.get(url("token_changelist"))
    assert len(many) == len(few)


def changed(token):
    """Return the change form of a token with another name."""
    expires = timezone.localtime(token.expires_at)
    return {
        "name": "changed",
        "kind": token.kind,
        "endpoints": token.endpoints,
        "scopes": [scope.pk for scope in token.scopes.all()],
        "expires_at_0": f"{expires:%Y-%m-%d}",
        "expires_at_1": f"{expires:%H:%M:%S}",
    }
