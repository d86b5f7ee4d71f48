"""Rotate, revoke and delete tokens: asked first, done by POST, through changes."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from mcp_guard import changes, testing
from mcp_guard.models import Token, TokenSecret
from mcp_guard.tokens import digest
from mcp_guard.writing import policy_write
from tests.operators.admin_pages import (
    errors,
    everything_stored,
    nothing_changes,
    revision,
    tags,
    told,
    url,
)
from tests.operators.admin_tokens import TEXT, changed, rotation, text_of

pytestmark = pytest.mark.django_db


def test_rotating_shows_the_new_text_once_and_keeps_the_old_one_for_the_overlap(browser, token):
    rotate = url("token_rotate", token.pk)
    with nothing_changes():
        assert browser.get(rotate).context["form"]["overlap"].value() == 24
    response = browser.post(rotate, rotation(token, 2))
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
    response = browser.post(url("token_rotate", token.pk), rotation(token, 0))
    assert "The old secret has ended." in response.content.decode()
    _, old = TokenSecret.objects.order_by("-pk")
    assert old.expires_at <= timezone.now()
    page = browser.get(url("token_change", token.pk)).content.decode()
    assert (token.secrets.latest("pk").mask in page, old.mask in page) == (True, False)


def test_a_form_that_is_sent_twice_rotates_once(browser, token):
    rotate = url("token_rotate", token.pk)
    sent = rotation(token, 24)
    text_of(browser.post(rotate, sent))
    with nothing_changes():
        response = browser.post(rotate, sent | {"end_older": "on"})
    assert response.context["form"].non_field_errors() == [
        "the token was rotated meanwhile: look at it again"
    ]
    assert not TEXT.search(response.content.decode())
    _, deployed = token.secrets.all()
    assert deployed.expires_at - timezone.now() > timedelta(hours=23)


def test_a_form_that_does_not_say_what_it_was_shown_rotates_nothing(browser, token):
    with nothing_changes():
        response = browser.post(url("token_rotate", token.pk), {"overlap": "24"})
    assert list(response.context["form"].errors) == ["newest"]


def test_an_older_secret_that_works_ends_only_when_that_is_confirmed(browser, token):
    rotate = url("token_rotate", token.pk)
    assert "end_older" not in browser.get(rotate).context["form"].fields
    text_of(browser.post(rotate, rotation(token, 24)))
    newest, deployed = token.secrets.all()
    assert "End the older secrets now" in browser.get(rotate).content.decode()
    with nothing_changes():
        response = browser.post(rotate, rotation(token, 24))
    until = f"{deployed.expires_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    (message,) = response.context["form"].errors["end_older"]
    assert message == (
        f"the older secret {deployed.mask} still works until {until}, "
        "and rotating again ends it now: confirm that"
    )
    text_of(browser.post(rotate, rotation(token, 24) | {"end_older": "on"}))
    deployed.refresh_from_db()
    newest.refresh_from_db()
    assert deployed.expires_at <= timezone.now() < newest.expires_at


@pytest.mark.parametrize("overlap", ["", "-1", "169", "x", "1.5"])
def test_an_overlap_out_of_bounds_is_refused_beside_the_field(browser, token, overlap):
    with nothing_changes():
        response = browser.post(url("token_rotate", token.pk), rotation(token, overlap))
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
        response = browser.post(url("token_rotate", token.pk), rotation(token, 1))
    assert response.context["form"].non_field_errors() == [message]


def test_no_secret_lives_longer_than_the_setting_says_however_often_the_expiry_is_changed(browser, token):
    made = timezone.now().replace(microsecond=0) - timedelta(days=89)
    with policy_write():
        TokenSecret.objects.update(created_at=made)
    token.expires_at = timezone.now() + timedelta(days=5)
    with nothing_changes():
        response = browser.post(url("token_change", token.pk), changed(token))
    latest = f"{made + timedelta(days=90):%Y-%m-%d %H:%M} UTC"
    (message,) = errors(response)["expires_at"]
    assert message == (
        "a token lives at most 90 days (MCP_GUARD['TOKEN_MAX_DAYS']) with one secret, "
        f"which is until {latest}: rotate it first"
    )
    assert "after its newest secret was made: until" in response.content.decode()
    browser.post(url("token_rotate", token.pk), rotation(token, 24))
    assert browser.post(url("token_change", token.pk), changed(token)).status_code == 302
    assert Token.objects.get().expires_at == token.expires_at.replace(microsecond=0)


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
