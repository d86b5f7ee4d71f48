"""refusals: what each verb prints, changes and refuses."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from mcp_guard import testing
from mcp_guard.models import AllowedOrigin, AuditEvent, Refusal
from tests.operators.admin_pages import nothing_changes
from tests.operators.command_line import Run, lines_of, runner
from tests.operators.refused import CORRELATION_ID, ORIGIN, refusal

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(monkeypatch) -> Run:
    return runner(monkeypatch)


def test_list_shows_open_groups_with_their_warnings(run, partner):
    testing.list_origin("https://app.example.org", partner, "notes")
    row = refusal("http://app.example.org", count=3, client="partner")

    [shown] = run("refusals", "list", "--json").data

    assert shown.pop("last_seen") == shown.pop("first_seen")
    assert shown == {
        "id": row.pk, "origin": "http://app.example.org", "host": "testserver", "client": "partner",
        "endpoint": "notes", "exchange": "request", "reason": "origin_not_listed", "outcome": "refused",
        "is_rest": False, "state": "open", "decided_by": "", "decided_at": None, "count": 3,
        "address": "203.0.113.9", "user_agent": "Probe/1",
        "warnings": [
            "same host as https://app.example.org, another scheme or port",
            "http: without TLS anybody on the way can be it",
        ],
    }  # fmt: skip
    heading, line = lines_of(run("refusals", "list").out)
    assert heading.split()[:3] == ["ID", "ORIGIN", "ENDPOINT"]
    assert "same host as https://app.example.org" in line


def test_list_filters(run):
    refusal()
    aside = refusal("https://b.test")
    refusal("https://c.test", endpoint="tools")
    run("refusals", "never", str(aside.pk))

    def origins(*arguments: str) -> list[str]:
        return [row["origin"] for row in run("refusals", "list", *arguments, "--json").data]

    assert sorted(origins()) == [ORIGIN, "https://c.test"]
    assert origins("--state", "never") == ["https://b.test"]
    assert len(origins("--state", "all")) == 3
    assert origins("--endpoint", "tools") == ["https://c.test"]
    assert origins("--origin", ORIGIN) == [ORIGIN]


def test_list_says_what_it_leaves_out(run):
    for number in range(3):
        refusal(f"https://{number}.test")

    result = run("refusals", "list", "--limit", "2")

    assert len(lines_of(result.out)) == 3
    assert lines_of(result.err) == ["warning: 1 more are not shown; see --limit"]
    assert run("refusals", "list", "--limit", "3").err == ""
    assert run("refusals", "list", "--limit", "0", "--json").fields == {"limit": ["at least 1"]}
    assert lines_of(run("refusals", "list", "--origin", "x").out) == ["no refusals"]


def test_show_has_the_latest_and_the_hours(run):
    row = refusal(count=2)

    data = run("refusals", "show", str(row.pk), "--json").data

    assert [(one["id"], one["address"]) for one in data["recent"]] == [(CORRELATION_ID, "203.0.113.9")] * 2
    assert [each["count"] for each in data["hours"]] == [2]
    assert data["hours"][0]["at"][13:] == ":00:00Z"
    text = run("refusals", "show", str(row.pk)).out
    assert CORRELATION_ID in text
    assert "requests by hour:" in text


def test_approve_lists_the_origin_for_a_week_on_the_endpoint_that_refused(run, partner):
    row = refusal("https://app.example.com:8443")

    result = run("refusals", "approve", str(row.pk), "--client", "partner")

    origin = AllowedOrigin.objects.get()
    assert (origin.client, origin.endpoints, origin.cookies) == (partner, ["notes"], False)
    week = timezone.now() + timedelta(days=7)
    assert abs(origin.expires_at - week) < timedelta(minutes=1)
    assert lines_of(result.out)[0] == "listed origin https://app.example.com:8443"
    assert lines_of(result.err) == ["warning: an unusual port"]
    assert AuditEvent.objects.get(tag="origin:approve").actor_label.startswith(
        "command mcp_guard refusals approve"
    )
    assert Refusal.objects.get().state == "approved"


def test_approve_takes_endpoints_cookies_and_an_expiry(run, partner):
    row = refusal()

    data = run(
        "refusals", "approve", str(row.pk), "--client", "partner", "--endpoint", "notes", "tools",
        "--cookies", "--expires", "never", "--json",
    ).data  # fmt: skip

    assert (data["endpoints"], data["cookies"], data["expires_at"]) == (["notes", "tools"], True, None)


def test_approve_until_a_moment(run, partner):
    row = refusal()

    data = run("refusals", "approve", str(row.pk), "--client", "partner", "--expires", "2d", "--json").data

    left = datetime.fromisoformat(data["expires_at"]) - timezone.now()
    assert timedelta(days=1, hours=23) < left <= timedelta(days=2)


@pytest.mark.parametrize(
    ("arguments", "fields"),
    [
        (["--client", "nobody"], {"client": ["there is no client “nobody”"]}),
        (["--client", "partner", "--endpoint", "public"], {"endpoints": ["“public” asks no allowlist"]}),
        (
            ["--client", "partner", "--endpoint", "tools", "--cookies"],
            {"cookies": ["no chosen endpoint takes cookies: their profiles do not"]},
        ),
        (["--client", "partner", "--expires", "2020-01-01"], {"expires_at": ["this moment has passed"]}),
    ],
)
def test_mistakes_are_said_by_field(run, partner, arguments, fields):
    row = refusal()

    with nothing_changes():
        result = run("refusals", "approve", str(row.pk), *arguments, "--json")

    assert (result.status, result.fields) == (2, fields)


def test_what_cannot_be_approved_says_why(run, partner):
    row = refusal(reason="token_expired")

    with nothing_changes():
        result = run("refusals", "approve", str(row.pk), "--client", "partner")

    assert result.status == 2
    assert lines_of(result.err) == [
        "this was refused for token_expired: listing its origin would change nothing"
    ]


def test_never_and_reopen(run):
    row = refusal()
    refusal(reason="origin_malformed")

    never = run("refusals", "never", str(row.pk), "--json").data
    assert never == {"origin": ORIGIN, "endpoint": "notes", "state": "never", "groups": 2}
    assert set(Refusal.objects.values_list("state", flat=True)) == {"never"}

    result = run("refusals", "reopen", str(row.pk))
    assert lines_of(result.out) == [f"open again: {ORIGIN} on notes, 2 groups"]
    assert set(Refusal.objects.values_list("state", flat=True)) == {"open"}


@pytest.mark.parametrize("verb", ["show", "approve", "never", "reopen"])
@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("4711", "there are no refusals 4711"),
        ("x", "the id of refusals is a number; “refusals list” shows it"),
    ],
)
def test_an_unknown_number_is_bad_input(run, partner, verb, number, text):
    arguments = ["--client", "partner"] if verb == "approve" else []

    result = run("refusals", verb, number, *arguments, "--json")

    assert (result.status, result.fields) == (2, {"id": [text]})


def test_no_stored_string_breaks_out_of_its_line(run):
    refusal()
    Refusal.objects.update(origin="https://a\u202e\n\x1b[2J.test")

    lines = lines_of(run("refusals", "list").out)

    assert len(lines) == 2
    assert "\\u202e\\x0a\\x1b[2J" in lines[1]
