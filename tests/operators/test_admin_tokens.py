"""The list of tokens and the page of one: what they show, what they keep to themselves."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mcp_guard import testing
from mcp_guard.admin import states
from mcp_guard.models import AuditEvent, Token, TokenSecret
from mcp_guard.writing import policy_write
from tests.operators.admin_pages import (
    url,
)
from tests.operators.admin_tokens import changed

pytestmark = pytest.mark.django_db


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
