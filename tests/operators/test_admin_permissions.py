"""Who may see and do what, for every screen that the URL resolver knows."""

from __future__ import annotations

import logging

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.db import transaction
from django.test import Client as Browser

from mcp_guard import testing
from mcp_guard.groups import AUDITOR
from mcp_guard.models import AuditEvent, Token, TokenSecret
from tests.operators.admin_pages import browser_of, nothing_changes, policy_rows, staff, superuser
from tests.operators.screens import Screen, one_row_each, registered, screens

pytestmark = pytest.mark.django_db

DONE = {"post": "yes", "confirmed": "yes"}
"""What a confirmation sends."""

LOOKS = {"changelist", "change", "history", "status", "dashboard", "review", "redirect"}
"""Views that change nothing."""

OPENED_BESIDES = {
    "revoke_token": {("token", "revoke"), ("client", "revoke_tokens")},
    "check_client": {("client", "check")},
    "change_token": {("token", "rotate")},
    "change_endpointstate": {("endpointstate", "report_only"), ("endpointstate", "enforce")},
    "export_auditevent": {("auditevent", "export")},
    "approve_registeredserver": {("registeredserver", "approve")},
    "approve_refusal": {("refusal", "approve"), ("refusal", "never"), ("refusal", "reopen")},
}
"""What a permission opens besides the views that Django has for it."""


@pytest.fixture(autouse=True)
def quiet(caplog):
    """Keep a traceback for each of hundreds of refusals out of the log."""
    caplog.set_level(logging.CRITICAL, "django.request")


@pytest.fixture
def rows():
    return one_row_each()


@pytest.fixture
def every(rows) -> list[Screen]:
    found = screens(rows)
    assert len(found) > 30
    assert {screen.model for screen in found} == {model._meta.model_name for model in registered()}
    return found


def own_permissions() -> list[str]:
    found = Permission.objects.filter(content_type__app_label="mcp_guard")
    return sorted(found.values_list("codename", flat=True))


def auditor():
    user = get_user_model().objects.create_user("auditor", is_staff=True)
    user.groups.add(Group.objects.get(name=AUDITOR))
    return user


def is_turned_away(response) -> bool:
    return response.status_code == 302 and response.url.startswith("/admin/login/")


def test_nobody_gets_anywhere_without_logging_in(every):
    browser = Browser()
    with nothing_changes():
        for screen in every:
            assert is_turned_away(browser.get(screen.path)), screen
            assert is_turned_away(browser.post(screen.path, DONE)), screen


def test_an_operator_without_permissions_gets_nowhere(every):
    browser = browser_of(staff())
    with nothing_changes():
        for screen in every:
            if screen.view == "redirect":
                continue
            assert browser.get(screen.path).status_code in {403, 405}, screen
            assert browser.post(screen.path, DONE).status_code == 403, screen


class TestTheAuditor:
    def test_sees_every_screen_that_only_shows(self, every):
        browser = browser_of(auditor())
        with nothing_changes():
            seen = {screen for screen in every if browser.get(screen.path).status_code == 200}
        assert {screen for screen in every if screen.view in LOOKS - {"redirect"}} == seen

    def test_changes_nothing_anywhere(self, every):
        browser = browser_of(auditor())
        with nothing_changes():
            for screen in every:
                assert browser.post(screen.path, DONE).status_code == 403, screen
                assert browser.put(screen.path).status_code == 403, screen

    def test_the_group_sees_every_model_and_may_do_nothing(self):
        codenames = set(Group.objects.get(name=AUDITOR).permissions.values_list("codename", flat=True))
        assert codenames == {name for name in own_permissions() if name.startswith("view_")}

    def test_the_group_comes_back_with_what_it_lacks_and_keeps_what_it_was_given(self):
        group = Group.objects.get(name=AUDITOR)
        group.permissions.set([Permission.objects.get(codename="check_client")])
        call_command("migrate", verbosity=0)
        codenames = set(group.permissions.values_list("codename", flat=True))
        assert {"check_client", "view_token", "view_auditevent"} <= codenames


def test_each_permission_opens_its_screens_alone(every):
    for codename in own_permissions():
        opened = [screen for screen in every if opens(codename, screen)]
        browser = browser_of(staff(codename, name=codename)) if opened else None
        for screen in opened:
            with transaction.atomic():
                assert browser.get(screen.path).status_code != 403, f"{codename}: GET {screen}"
                is_refused = browser.post(screen.path, DONE).status_code == 403
                transaction.set_rollback(True)
            if codename.startswith("view_") or screen.view not in LOOKS:
                assert is_refused is codename.startswith("view_"), f"{codename}: POST {screen}"


def test_all_other_permissions_together_do_not_open_a_screen(every):
    for number, screen in enumerate(every):
        if screen.view == "redirect":
            continue
        others = [codename for codename in own_permissions() if not opens(codename, screen)]
        browser = browser_of(staff(*others, name=str(number)))
        with nothing_changes():
            assert browser.get(screen.path).status_code == 403, screen
            assert browser.post(screen.path, DONE).status_code == 403, screen


def opens(codename: str, screen: Screen) -> bool:
    """Return whether one permission alone opens a screen."""
    verb, _, model = codename.partition("_")
    if screen.view == "dashboard":
        return verb in {"view", "change"} and model in PARTS_OF_DASHBOARD
    if (screen.model, screen.view) in OPENED_BESIDES.get(codename, set()):
        return True
    if screen.model != model or (model, verb) in NEVER:
        return False
    match verb:
        case "view" | "change":
            return screen.view in LOOKS
        case "add" | "delete":
            return screen.view == verb
        case _:
            return False


PARTS_OF_DASHBOARD = {"tally", "refusal", "token", "endpointstate", "auditevent", "registeredserver"}
"""The models of which the dashboard shows something; each part needs the permission for its own."""

NEVER = {
    (model, verb)
    for model in ("auditevent", "refusal", "endpointstate")
    for verb in ("add", "delete")
}  # fmt: skip
"""What nobody may do by hand."""


def test_looking_changes_nothing(every):
    browser = browser_of(superuser())
    before = policy_rows()
    for screen in every:
        status = browser.get(screen.path).status_code
        assert status in {200, 302, 403, 405}, screen
        assert status != 403 or (screen.model, screen.view) in FORBIDDEN_TO_ALL, screen
    assert policy_rows() == before


FORBIDDEN_TO_ALL = {(model, view) for model in ("auditevent", "refusal") for view in ("add", "delete")}


def test_every_post_needs_the_csrf_token(every):
    browser = browser_of(superuser(), enforce_csrf_checks=True)
    with nothing_changes():
        for screen in every:
            assert browser.post(screen.path, DONE).status_code == 403, screen


class TestNoTokenMintsAToken:
    @pytest.fixture
    def issue(self, rows):
        def issue(endpoint):
            scope = testing.grant_scope("all", "http:GET", "http:POST", "tools/call:write_note")
            return testing.issue_token(
                rows["client"], endpoint, scopes=[scope], kind="any", user=superuser(), name="operator's"
            )

        return issue

    def test_the_admin_takes_no_token(self, every, issue):
        browser = Browser(headers=testing.bearer(issue("notes")))
        with nothing_changes():
            for screen in every:
                assert is_turned_away(browser.get(screen.path)), screen
                assert is_turned_away(browser.post(screen.path, DONE)), screen

    @pytest.fixture
    def guarded_admin(self, settings):
        api = {"profile": "token", "messages": "http"}
        settings.MCP_GUARD = {"ENDPOINTS": {"api": api, "notes": {"profile": "partner"}}}
        settings.ROOT_URLCONF = "tests.operators.guarded_admin_urls"
        with testing.policy_of_this_connection():
            yield

    def test_nor_does_one_behind_a_guarded_endpoint(self, every, issue, guarded_admin):
        browser = Browser(headers=testing.bearer(issue("api")) | {"Host": "testserver"})
        assert browser.get("/admin/auth/user/").status_code == 200, "the token logs its user in"
        tokens = TokenSecret.objects.count()
        before = AuditEvent.objects.count()
        for screen in every:
            for response in (
                browser.get(screen.path),
                browser.post(screen.path, "{}", content_type="application/json"),
            ):
                assert response.status_code == 403, screen
        assert (TokenSecret.objects.count(), AuditEvent.objects.count()) == (tokens, before)
        assert Token.objects.filter(revoked_at=None).count() == 2
