"""Every operation on tokens has its own permission and takes the CSRF token."""

from __future__ import annotations

import pytest

from tests.operators.admin_pages import (
    browser_of,
    nothing_changes,
    revision,
    staff,
    url,
)
from tests.operators.admin_tokens import ADD, changed, form, rotation

pytestmark = pytest.mark.django_db


def test_every_write_needs_the_csrf_token(root, partner, token):
    browser = browser_of(root, enforce_csrf_checks=True)
    posts = {
        ADD: form(partner),
        url("token_change", token.pk): {"name": "other", "kind": "server"},
        url("token_rotate", token.pk): rotation(token, 1),
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
        "rotate": (url("token_rotate", token.pk), rotation(token, 1)),
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
