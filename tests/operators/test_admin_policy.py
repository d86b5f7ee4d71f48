"""The screens of clients, scopes and audit events, and what a reader may do."""

from __future__ import annotations

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mcp_guard import changes, testing
from mcp_guard.models import AllowedOrigin, AuditEvent, Client, Scope, Token
from mcp_guard.writing import policy_write
from tests.operators.admin_pages import (
    browser_of,
    errors,
    nothing_changes,
    revision,
    staff,
    tags,
    told,
    url,
)  # fmt: skip

pytestmark = pytest.mark.django_db


def test_a_client_is_added_with_the_scopes_of_its_sessions_in_one_change(browser, root):
    scope = testing.grant_scope("read", "tools/call:read_note")
    before = revision()
    values = {"name": "partner", "active": "on", "owner": "Partner Ltd", "scopes": [scope.pk]}
    assert browser.post(url("client_add"), values).status_code == 302
    client = Client.objects.get()
    assert list(client.scopes.all()) == [scope]
    assert revision() == before + 1
    event = AuditEvent.objects.latest("pk")
    assert (event.tag, event.actor, event.after["scopes"]) == ("client:add", root, ["read"])


def test_changing_only_scopes_of_a_client_is_one_change(browser):
    first, second = testing.grant_scope("first", "ping"), testing.grant_scope("second", "ping")
    client = testing.add_client("partner", scopes=[first])
    before = revision()
    values = {"name": "partner", "active": "on", "scopes": [second.pk]}
    assert browser.post(url("client_change", client.pk), values).status_code == 302
    event = AuditEvent.objects.latest("pk")
    assert (event.tag, event.before["scopes"], event.after["scopes"]) == ("client:set", ["first"], ["second"])
    assert revision() == before + 1


@pytest.mark.parametrize(
    ("field", "typed", "message"),
    [
        ("name", "", "This field is required."),
        ("name", "a b", "Enter a valid “slug” consisting of letters, numbers, underscores or hyphens."),
        ("name", "taken", "Client with this Name already exists."),
        ("owner", "a\u202eb", "there is an invisible character in it; type it instead of pasting it"),
        ("scopes", ["4711"], "Select a valid choice. 4711 is not one of the available choices."),
    ],
)
def test_a_bad_client_is_refused_beside_the_field(browser, field, typed, message):
    testing.add_client("taken")
    with nothing_changes():
        found = errors(browser.post(url("client_add"), {"name": "partner", "active": "on", field: typed}))
    assert found == {field: [message]}


def test_a_client_that_owns_something_is_not_deleted(browser):
    client = testing.add_client("partner")
    testing.list_origin("https://app.example.com", client, "notes")
    with nothing_changes():
        page = browser.get(url("client_delete", client.pk)).content.decode()
        browser.post(url("client_delete", client.pk), {"post": "yes"})
    assert "would require deleting the following protected related objects" in page


def test_what_changes_refuses_at_the_last_moment_is_told_and_undone(browser, monkeypatch):
    kept, owner = testing.add_client("kept"), testing.add_client("owner")
    collect = "django.contrib.admin.options.ModelAdmin.get_deleted_objects"
    monkeypatch.setattr(collect, lambda *_: ([], {}, set(), []))
    testing.list_origin("https://app.example.com", owner, "notes")
    text = "the client still owns origins or tokens; disable it instead"
    with nothing_changes():
        assert told(browser.post(url("client_delete", owner.pk), {"post": "yes"}, follow=True)) == [text]
        values = {"action": "delete_selected", "_selected_action": [kept.pk, owner.pk], "post": "yes"}
        assert told(browser.post(url("client_changelist"), values, follow=True)) == [text]
    assert not LogEntry.objects.exists()


def test_a_client_that_owns_nothing_is_deleted(browser):
    client = testing.add_client("partner")
    assert browser.post(url("client_delete", client.pk), {"post": "yes"}).status_code == 302
    assert (Client.objects.count(), tags()[-1]) == (0, "client:delete")


def test_selected_clients_are_disabled_and_enabled(browser):
    clients = [testing.add_client(f"client{n}") for n in range(2)]
    testing.add_client("other")
    values = {"_selected_action": [client.pk for client in clients]}
    page = url("client_changelist")
    assert told(browser.post(page, values | {"action": "disable"}, follow=True)) == [
        "2 clients are disabled."
    ]
    assert list(Client.objects.filter(active=True).values_list("name", flat=True)) == ["other"]
    assert tags()[-2:] == ["client:disable"] * 2
    notice = browser.get(url("client_change", clients[0].pk)).content.decode()
    assert "This client is disabled: all its origins and tokens are refused." in notice
    values["_selected_action"].pop()
    assert told(browser.post(page, values | {"action": "enable"}, follow=True)) == ["1 client is enabled."]
    assert tags()[-1] == "client:enable"


def test_the_list_of_clients_counts_without_a_query_for_each(browser):
    partner = testing.add_client("partner")
    with CaptureQueriesContext(connection) as few:
        browser.get(url("client_changelist"))
    for number in range(3):
        testing.list_origin(f"https://app{number}.example.com", partner, "notes")
        testing.issue_token(testing.add_client(f"client{number}"), "notes")
        testing.issue_token(partner, "notes")
    changes.revoke_token(testing.ACTOR, testing.issue_token(partner, "notes").token)
    with policy_write():
        ended = testing.issue_token(partner, "notes").token
        Token.objects.filter(pk=ended.pk).update(expires_at=timezone.now())
    with CaptureQueriesContext(connection) as many:
        page = browser.get(url("client_changelist"))
    assert len(many) == len(few)
    counts = {row.name: (row.origins_count, row.tokens_count) for row in page.context["cl"].queryset}
    assert counts["partner"] == (3, 3)
    assert counts["client0"] == (0, 1)


def test_grants_are_typed_one_on_each_line(browser):
    typed = " tools/call:read_note \r\n\r\nresources/read:note://public/*\r\ntools/call:read_note\r\n"
    values = {"name": "read", "grants": typed, "description": ""}
    assert browser.post(url("scope_add"), values).status_code == 302
    scope = Scope.objects.get()
    assert scope.grants == ["tools/call:read_note", "resources/read:note://public/*"]
    page = browser.get(url("scope_change", scope.pk)).content.decode()
    assert "tools/call:read_note\nresources/read:note://public/*</textarea>" in page
    with nothing_changes():
        browser.post(url("scope_change", scope.pk), values)


def test_each_bad_grant_is_named_by_its_line(browser):
    values = {"name": "read", "grants": "ping\r\n*\r\n\r\ntools/call\r\nresources/read:note:*"}
    with nothing_changes():
        found = errors(browser.post(url("scope_add"), values))
    assert found == {
        "grants": [
            "line 2: “*” would open everything, also what the server gains later; name what is needed",
            "line 4: tools/call needs the name it may use, as in tools/call:NAME",
            "line 5: the only wildcard is /* at the end of a URI",
        ]
    }


def test_a_new_scope_begins_empty(browser):
    assert browser.get(url("scope_add")).context["adminform"].form["grants"].value() == ""


def test_a_scope_without_grants_says_that_it_opens_nothing(browser):
    response = browser.post(url("scope_add"), {"name": "later", "grants": " \r\n"}, follow=True)
    assert "The scope later opens nothing: it holds no grant." in told(response)
    assert "opens nothing" in response.content.decode()
    page = browser.get(url("scope_change", Scope.objects.get().pk)).content.decode()
    assert "This scope opens nothing: it holds no grant." in page


@pytest.mark.parametrize("grants", ["ping", {"ping": 1}, 7, ["*"], [" ping"], [7]])
def test_grants_that_were_edited_by_hand_are_marked_and_repaired_by_saving(browser, grants):
    with policy_write():
        scope = Scope.objects.create(name="hand", grants=grants)
    assert browser.get(url("scope_changelist")).status_code == 200
    page = browser.get(url("scope_change", scope.pk)).content.decode()
    assert "edited past the admin" in page
    values = {"name": "hand", "grants": "ping"}
    assert browser.post(url("scope_change", scope.pk), values).status_code == 302
    scope.refresh_from_db()
    assert (scope.grants, tags()[-1]) == (["ping"], "scope:set")


def test_a_scope_in_use_is_removed_through_changes(browser):
    scope = testing.grant_scope("read", "ping")
    client = testing.add_client("partner", scopes=[scope])
    assert browser.post(url("scope_delete", scope.pk), {"post": "yes"}).status_code == 302
    assert (list(client.scopes.all()), tags()[-1]) == ([], "scope:remove")


def test_audit_events_are_read_only_for_everybody(browser):
    testing.add_client("partner")
    event = AuditEvent.objects.get()
    with nothing_changes():
        assert browser.get(url("auditevent_add")).status_code == 403
        assert browser.get(url("auditevent_delete", event.pk)).status_code == 403
        assert browser.post(url("auditevent_delete", event.pk), {"post": "yes"}).status_code == 403
        assert browser.post(url("auditevent_change", event.pk), {"tag": "x"}).status_code == 403
        values = {"action": "delete_selected", "_selected_action": [event.pk], "post": "yes"}
        browser.post(url("auditevent_changelist"), values)


def test_an_audit_event_shows_what_differs(browser):
    client = testing.add_client("partner", owner="before <b>")
    assert (
        browser.post(url("client_change", client.pk), {"name": "partner", "owner": "after"}).status_code
        == 302
    )
    page = browser.get(url("auditevent_change", AuditEvent.objects.latest("pk").pk)).content.decode()
    assert ">before &lt;b&gt;</bdi></td><td><bdi" in page
    assert ">after</bdi>" in page
    assert ">contact</th>" not in page


def test_audit_events_are_found_by_what_they_are_about(browser):
    testing.grant_scope("read", "ping")
    testing.add_client("partner")
    page = browser.get(url("auditevent_changelist"), {"about": "scope"})
    assert [event.tag for event in page.context["cl"].queryset] == ["scope:add"]
    page = browser.get(url("auditevent_changelist"), {"q": "partner"})
    assert [event.tag for event in page.context["cl"].queryset] == ["client:add"]


def test_history_stays_when_its_operator_is_deleted(browser):
    user = staff("add_client", name="leaver")
    browser_of(user).post(url("client_add"), {"name": "partner", "active": "on"})
    response = browser.post(f"/admin/auth/user/{user.pk}/delete/", {"post": "yes"})
    assert response.status_code == 302
    assert not get_user_model().objects.filter(username="leaver").exists()
    event = AuditEvent.objects.get(tag="client:add")
    assert (event.actor, event.actor_label) == (None, "leaver")


def test_a_reader_sees_every_screen_and_changes_nothing():
    names = ("client", "allowedorigin", "scope", "token", "auditevent", "endpointstate")
    browser = browser_of(staff(*(f"view_{name}" for name in names)))
    client = testing.add_client("partner", scopes=[testing.grant_scope("read", "ping")])
    rows = {
        "client": client.pk,
        "allowedorigin": testing.list_origin("https://bücher.example", client, "notes").pk,
        "scope": client.scopes.get().pk,
        "token": testing.issue_token(client, "notes").token.pk,
    }
    with nothing_changes():
        for name, pk in rows.items():
            assert browser.get(url(f"{name}_changelist")).status_code == 200
            page = browser.get(url(f"{name}_change", pk))
            assert page.status_code == 200
            inputs = set(re.findall(r"<(?:input|textarea|select)[^>]*>", page.content.decode()))
            assert not [tag for tag in inputs if "nav-filter" not in tag and "csrfmiddlewaretoken" not in tag]
            assert browser.post(url(f"{name}_change", pk), {"name": "x"}).status_code == 403
            assert browser.get(url(f"{name}_add")).status_code == 403
            assert browser.post(url(f"{name}_delete", pk), {"post": "yes"}).status_code == 403
        for page in (url("endpointstate_changelist"), url("endpointstate_change", "notes"), url("status")):
            assert browser.get(page).status_code == 200
        for view in ("report_only", "enforce"):
            assert browser.post(url(f"endpointstate_{view}", "notes"), {}).status_code == 403


@pytest.mark.parametrize(
    "page", ["client_changelist", "allowedorigin_changelist", "scope_changelist", "token_changelist",
             "auditevent_changelist", "endpointstate_changelist", "status"],
)  # fmt: skip
def test_an_operator_without_permissions_sees_nothing(page):
    assert browser_of(staff()).get(url(page)).status_code == 403
    assert AllowedOrigin.objects.count() == 0
