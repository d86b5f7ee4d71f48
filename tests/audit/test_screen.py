"""The screen of the audit trail: filters, what an event shows, the state of the chain, and the export."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from django.test import AsyncClient

from mcp_guard import changes
from mcp_guard.admin.audit_filters import TAGS
from mcp_guard.audit import verify
from mcp_guard.models import AuditEvent
from mcp_guard.tokens import mint
from tests.audit.trail import add_events, seal_events, sql
from tests.operators.admin_pages import browser_of, staff, superuser, url

pytestmark = pytest.mark.django_db

EVIL = '"><script>alert(1)</script>'
FROM = {"address": "203.0.113.9"}


@pytest.fixture
def browser():
    return browser_of(superuser())


@pytest.fixture
def events():
    rows = [
        {"tag": "token:issue", "category": "token", "actor_label": "ann", "client": "partner"},
        {"tag": "tool:call", "category": "call", "endpoint": "notes", "outcome": "ok"} | FROM,
        {"tag": "authentication:failed", "category": "authentication", "outcome": "token_unknown", "count": 7,
         "correlation_id": "c" * 16, "user_agent": EVIL, "details": {EVIL: [EVIL], "o": {"a": 1}}},
    ]  # fmt: skip
    AuditEvent.objects.bulk_create(AuditEvent(**row) for row in rows)


def listed(browser, **query):
    page = browser.get(url("auditevent_changelist"), query)
    assert page.status_code == 200
    return [event.tag for event in page.context["cl"].result_list]


@pytest.mark.parametrize(
    ("query", "tags"),
    [
        ({}, ["authentication:failed", "tool:call", "token:issue"]),
        ({"category__exact": "call"}, ["tool:call"]),
        ({"tag": "token:issue"}, ["token:issue"]),
        ({"outcome": "token_unknown"}, ["authentication:failed"]),
        ({"endpoint": "notes"}, ["tool:call"]),
        ({"client": "partner"}, ["token:issue"]),
        ({"actor": "ann"}, ["token:issue"]),
        ({"at__gte": "2001-01-01 00:00:00+00:00", "at__lt": "2001-01-02 00:00:00+00:00"}, []),
        ({"sealed": "yes"}, []),
        ({"sealed": "no", "about": "token"}, ["token:issue"]),
        ({"q": "113.9"}, ["tool:call"]),
        ({"q": "c" * 16}, ["authentication:failed"]),
    ],
)
def test_events_are_filtered_and_searched(browser, events, query, tags):
    assert listed(browser, **query) == tags


def test_every_tag_of_a_change_is_offered():
    sources = "".join(file.read_text() for file in Path(changes.__file__).parent.glob("*.py"))

    found = set(re.findall(r'(?:change|decision)\(\s*actor,\s*"([^"]+)"', sources))

    assert {"origin:approve", "refusal:never", "refusal:reopen"} <= found
    assert found <= {*TAGS["policy"], *TAGS["token"]}


def test_hostile_texts_are_texts(browser, events):
    event = AuditEvent.objects.get(tag="authentication:failed")

    for path in (url("auditevent_changelist"), url("auditevent_change", event.pk)):
        text = browser.get(path).content.decode()
        assert "<script>alert(1)" not in text
        assert "7" in text
    assert "&lt;script&gt;" in text
    assert "token_unknown" in text
    assert "not sealed yet" in text
    assert "Difference" not in text


def test_what_waits_for_its_seal_is_marked_and_the_state_of_the_chain_is_said(browser):
    seal_events(2)
    add_events(1)

    text = browser.get(url("auditevent_changelist")).content.decode()

    assert "Sealed up to number 2" in text
    assert "1 event is not sealed yet" in text
    assert "Never verified" in text
    verify.record(verify.verify(), "ann")
    assert "Verified at" in browser.get(url("auditevent_changelist")).content.decode()


def test_a_broken_chain_is_said(browser):
    seal_events(1)
    sql("UPDATE mcp_guard_auditseal SET digest = 'ab'")
    verify.record(verify.verify(), "ann")

    text = browser.get(url("auditevent_changelist")).content.decode()

    assert "is not authentic" in text
    assert "found the hash chain broken" in text


def test_an_empty_trail(browser):
    AuditEvent.objects.all()

    text = browser.get(url("auditevent_changelist")).content.decode()

    assert "Nothing is sealed yet." in text
    assert "Nothing happened yet." in text


def export(browser, form="csv", query=""):
    return browser.post(f"{url('auditevent_export')}{query}", {"format": form})


def test_what_the_filters_choose_is_exported_and_that_is_recorded(browser, events):
    response = export(browser, query="?category__exact=token")

    text = b"".join(response.streaming_content).decode()
    assert [row["tag"] for row in csv.DictReader(io.StringIO(text, newline=""))] == ["token:issue"]
    assert response["Content-Type"].startswith("text/csv")
    assert response["Content-Disposition"].startswith('attachment; filename="audit-')
    event = AuditEvent.objects.get(tag="audit:export")
    assert (event.actor_label, event.category) == ("root", "audit")
    assert event.details == {"format": "csv", "chosen": "category__exact=token"}


def test_what_is_recorded_of_an_export_holds_no_token_text(browser):
    secret = str(mint())

    export(browser, query=f"?q={secret}")

    assert AuditEvent.objects.get(tag="audit:export").details["chosen"] == "q=mcpg_[redacted]"


def test_an_export_with_a_broken_filter_is_refused_and_not_recorded(browser, events):
    assert export(browser, query="?at__gte=foo").status_code == 400
    assert not AuditEvent.objects.filter(tag="audit:export").exists()


def test_json_is_exported_a_line_for_each_event(browser, events):
    lines = b"".join(export(browser, "json").streaming_content).decode().splitlines()

    assert [json.loads(line)["tag"] for line in lines][:2] == ["token:issue", "tool:call"]


@pytest.mark.django_db(transaction=True)
async def test_an_export_streams_under_asgi(events):
    from asgiref.sync import sync_to_async

    client = AsyncClient()
    await client.aforce_login(await sync_to_async(superuser)())

    response = await client.post(url("auditevent_export"), {"format": "json"})

    assert response.is_async
    parts = [part async for part in response.streaming_content]
    assert len(b"".join(parts).splitlines()) >= 3


@pytest.mark.parametrize(
    ("permissions", "status"),
    [
        (["view_auditevent"], 403),
        (["export_auditevent"], 200),
        (["view_auditevent", "change_client"], 403),
        (["view_auditevent", "export_auditevent"], 200),
    ],
)
def test_an_export_needs_both_permissions(events, permissions, status):
    browser = browser_of(staff(*permissions))

    assert export(browser).status_code == status
    assert AuditEvent.objects.filter(tag="audit:export").exists() == (status == 200)
    if "view_auditevent" in permissions:
        shown = browser.get(url("auditevent_changelist")).content.decode()
        assert ("Export as CSV" in shown) == (status == 200)


def test_an_export_is_no_link(browser, events):
    assert browser.get(url("auditevent_export")).status_code == 405
    assert not AuditEvent.objects.filter(tag="audit:export").exists()
