"""The screens of the endpoints and of the state of the policy."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from mcp_guard import testing
from mcp_guard.models import AllowedOrigin, AuditEvent, Client, EndpointState, Revision, Scope, Token
from mcp_guard.writing import policy_write
from tests.operators.admin_pages import (
    nothing_changes,
    revision,
    tags,
    told,
    url,
)  # fmt: skip

pytestmark = pytest.mark.django_db


def until(**ahead):
    moment = timezone.localtime(timezone.now() + timedelta(**ahead))
    return {"until_0": f"{moment:%Y-%m-%d}", "until_1": f"{moment:%H:%M:%S}"}


def listed(browser):
    """Return the rows of the list by name."""
    context = browser.get(url("endpointstate_changelist")).context
    return {row.name: row for row in [*context["declared"], *context["undeclared"]]}


def test_all_declared_endpoints_are_listed_without_a_row(browser):
    assert not EndpointState.objects.exists()
    page = browser.get(url("endpointstate_changelist"))
    names = [row.name for row in page.context["declared"]]
    assert names == ["desk", "hooks", "notes", "portal", "public", "tools"]
    text = page.content.decode()
    for part in ("partner", "same-origin", "api.example.com", "127.0.0.1:8765"):
        assert part in text


def test_origins_and_tokens_are_counted_while_they_work(browser):
    client, off = testing.add_client("partner"), testing.add_client("off")
    testing.list_origin("https://one.example", client, "notes", "tools")
    testing.list_origin("https://two.example", client, "notes")
    testing.list_origin("https://off.example", client, "notes", active=False)
    testing.list_origin("https://client.example", off, "notes")
    testing.issue_token(client, "notes")
    ended = testing.issue_token(client, "notes").token
    with policy_write():
        Token.objects.filter(pk=ended.pk).update(revoked_at=timezone.now())
        Client.objects.filter(pk=off.pk).update(active=False)
    rows = listed(browser)
    assert (rows["notes"].origins, rows["notes"].tokens) == (2, 1)
    assert (rows["tools"].origins, rows["tools"].tokens) == (1, 0)


def test_names_that_only_rows_know_are_shown_as_such(browser):
    client = testing.add_client("partner")
    with policy_write():
        EndpointState.objects.create(name="retired", report_only_until=timezone.now() + timedelta(days=1))
        AllowedOrigin.objects.create(origin="https://a.example", client=client, endpoints=["typo", 7])
        AllowedOrigin.objects.create(origin="https://b.example", client=client, endpoints={"x": 1})
    rows = listed(browser)
    assert [name for name, row in rows.items() if row.declared is None] == ["retired", "typo"]
    assert "Not declared in the settings" in browser.get(url("endpointstate_changelist")).content.decode()
    page = browser.get(url("endpointstate_change", "retired")).content.decode()
    assert "The settings do not declare this endpoint: it opens nothing." in page
    assert "<form method" not in page.replace('<form id="logout-form" method', "")


def test_report_only_lasts_until_the_moment_that_was_chosen(browser):
    before = revision()
    response = browser.post(url("endpointstate_report_only", "notes"), until(days=3), follow=True)
    assert "lets unlisted origins in and reports them" in told(response)[0]
    left = EndpointState.objects.get().report_only_until - timezone.now()
    assert timedelta(days=2, hours=23) < left <= timedelta(days=3)
    assert (revision(), tags()[-1]) == (before + 1, "endpoint:report-only")
    assert AuditEvent.objects.latest("pk").actor_label == "root"
    assert listed(browser)["notes"].reports_only
    assert LogEntry.objects.get().get_admin_url() == url("endpointstate_change", "notes")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (until(days=15), "report-only lasts at most 14 days from now"),
        (until(days=-1), "report-only lasts at most 14 days from now"),
        ({}, "This field is required."),
        ({"until_0": "soon", "until_1": "now"}, "Enter a valid date."),
    ],
)
def test_a_moment_out_of_bounds_is_refused_beside_the_field(browser, values, message):
    with nothing_changes():
        response = browser.post(url("endpointstate_report_only", "notes"), values)
    assert response.status_code == 200
    assert message in response.context["form"].errors["until"]


def test_enforcing_refuses_unlisted_origins_again(browser):
    browser.post(url("endpointstate_report_only", "notes"), until(days=3))
    assert "Refuse unlisted origins now" in browser.get(url("endpointstate_change", "notes")).content.decode()
    response = browser.post(url("endpointstate_enforce", "notes"), follow=True)
    assert told(response) == ["The endpoint notes refuses unlisted origins."]
    assert EndpointState.objects.get().report_only_until is None
    assert tags()[-1] == "endpoint:enforce"
    assert not listed(browser)["notes"].reports_only


@pytest.mark.parametrize("view", ["report_only", "enforce"])
def test_a_switch_takes_a_post(browser, view):
    with nothing_changes():
        response = browser.get(url(f"endpointstate_{view}", "notes"))
    assert (response.status_code, response["Allow"]) == (405, "POST")


@pytest.mark.parametrize("view", ["change", "report_only", "enforce"])
def test_an_endpoint_that_nobody_knows_is_not_found(browser, view):
    with nothing_changes():
        assert browser.post(url(f"endpointstate_{view}", "elsewhere"), until(days=1)).status_code == 404


@pytest.mark.parametrize("view", ["report_only", "enforce"])
def test_an_undeclared_endpoint_is_not_switched(browser, view):
    with policy_write():
        EndpointState.objects.create(name="retired")
    with nothing_changes():
        response = browser.post(url(f"endpointstate_{view}", "retired"), until(days=1))
    assert "there is no endpoint “retired”" in response.content.decode()


@pytest.mark.parametrize(("name", "switch"), [("notes", True), ("public", False), ("hooks", False)])
def test_report_only_is_offered_where_the_allowlist_is_asked(browser, name, switch):
    page = browser.get(url("endpointstate_change", name)).content.decode()
    assert ("Report only until then" in page) is switch


def test_the_settings_report_only_shows_until_a_row_says_otherwise(browser, settings):
    tomorrow = (timezone.now() + timedelta(days=1)).isoformat()
    settings.MCP_GUARD = {"ENDPOINTS": {"notes": {"profile": "partner", "report_only": tomorrow}}}
    assert listed(browser)["notes"].reports_only
    browser.post(url("endpointstate_enforce", "notes"))
    assert not listed(browser)["notes"].reports_only


def test_a_moment_too_far_ahead_is_shown_as_the_gate_takes_it(browser):
    with policy_write():
        EndpointState.objects.create(name="notes", report_only_until=timezone.now() + timedelta(days=400))
    assert not listed(browser)["notes"].reports_only


def test_names_with_signs_of_a_url_find_their_page(browser, settings):
    settings.MCP_GUARD = {"ENDPOINTS": {"a_b.c-d": {"profile": "partner"}}}
    row = next(iter(browser.get(url("endpointstate_changelist")).context["declared"]))
    page = browser.get(url("endpointstate_changelist")).content.decode()
    assert 'href="/admin/mcp_guard/endpointstate/a_5Fb.c-d/change/"' in page
    assert browser.get("/admin/mcp_guard/endpointstate/a_5Fb.c-d/change/").context["row"].name == row.name
    response = browser.post("/admin/mcp_guard/endpointstate/a_5Fb.c-d/report-only/", until(days=1))
    assert response.status_code == 302
    assert EndpointState.objects.get().name == "a_b.c-d"


def test_no_endpoint_at_all_is_said(browser, settings):
    settings.MCP_GUARD = {}
    assert "No endpoint is declared" in browser.get(url("endpointstate_changelist")).content.decode()


def test_rows_of_endpoints_are_neither_added_nor_deleted_here(browser):
    for view in ("add/", "notes/delete/"):
        assert browser.get(f"/admin/mcp_guard/endpointstate/{view}").status_code == 404


def test_the_status_is_linked_from_the_index_of_the_app(browser):
    assert url("status") in browser.get("/admin/mcp_guard/").content.decode()


def test_the_status_shows_the_revision_and_that_all_is_well(browser, settings):
    settings.MCP_GUARD = {"ENDPOINTS": {"notes": {"profile": "partner"}}}
    testing.add_client("partner")
    with nothing_changes():
        page = browser.get(url("status"))
    assert page.context["status"].revision == revision() == 1
    assert "Every row of the policy can be used." in page.content.decode()


def test_the_status_names_each_row_that_cannot_be_used(browser):
    client = testing.add_client("partner")
    with policy_write():
        AllowedOrigin.objects.create(origin="HTTPS://A.example", client=client, endpoints=["notes"])
        AllowedOrigin.objects.create(origin="https://b.example", client=client, endpoints="notes")
        Scope.objects.create(name="all", grants=["*"])
        testing.issue_token(client, "notes", name="odd one")
        Token.objects.update(kind="odd")
    page = browser.get(url("status"))
    text = page.content.decode()
    problems = page.context["status"].problems
    for part in ("HTTPS://A.example", "endpoints is not a list", "“*” would open everything", "odd one"):
        assert any(part in problem for problem in problems), part
    assert text.count("mcp-guard-warning") == len(problems)


def test_the_status_names_what_is_wrong_with_the_settings(browser, settings):
    settings.MCP_GUARD = {"ENDPOINTS": {"notes": {"profile": "<odd>"}}}
    text = browser.get(url("status")).content.decode()
    assert "The settings cannot be used" in text
    assert "&lt;odd&gt;" in text


def test_the_status_of_an_empty_database(browser):
    Revision.objects.all().delete()
    page = browser.get(url("status"))
    assert page.context["status"].revision == 0
    assert "none yet" in page.content.decode()
