"""origin import-cors: every entry of the settings gets a line, and a dry run promises what the run does."""

from __future__ import annotations

import re

import pytest
from django.utils import timezone

from mcp_guard.models import AllowedOrigin, AuditEvent, Revision
from tests.operators.command_line import Run, runner

pytestmark = pytest.mark.django_db

IMPORT = ("origin", "import-cors", "--client", "partner", "--endpoint", "notes", "tools")
ENTRIES = [
    "https://a.example",
    "https://A.example:443",
    "http://localhost:5173",
    "https://b.example/x",
    "null",
    "https://*.c.example",
    "https://bücher.example",
]


@pytest.fixture
def run(monkeypatch, settings) -> Run:
    settings.CORS_ALLOWED_ORIGINS = ENTRIES
    settings.CORS_ALLOWED_ORIGIN_REGEXES = [r"^https://\w+\.d\.example$", re.compile("^https://e")]
    run = runner(monkeypatch)
    assert run("client", "add", "partner").status == 0
    return run


def results(data: dict) -> dict[str, str]:
    return {line["typed"]: line["result"] for line in data["lines"]}


EXPECTED = {
    "https://a.example": "listed",
    "https://A.example:443": "already listed",
    "http://localhost:5173": "listed",
    "https://b.example/x": "rejected",
    "null": "rejected",
    "https://*.c.example": "rejected",
    "https://bücher.example": "listed",
    r"^https://\w+\.d\.example$": "not importable",
    "^https://e": "not importable",
}


def test_every_entry_gets_its_line(run):
    result = run(*IMPORT, "--json")
    assert (result.status, result.data["dry_run"]) == (0, False)
    assert results(result.data) == EXPECTED
    assert result.data["counts"] == {"listed": 3, "already_listed": 1, "rejected": 3, "not_importable": 2}
    assert all(line["why"] for line in result.data["lines"] if line["result"] != "listed")


def test_what_is_listed_has_the_client_the_endpoints_and_the_note(run):
    run(*IMPORT, "--expires", "30d")
    rows = AllowedOrigin.objects.all()
    assert [row.origin for row in rows] == [
        "http://localhost:5173", "https://a.example", "https://xn--bcher-kva.example",
    ]  # fmt: skip
    for row in rows:
        assert (row.client.name, row.endpoints, row.cookies) == ("partner", ["notes", "tools"], False)
        assert row.note == "imported from CORS_ALLOWED_ORIGINS"
        assert row.expires_at > timezone.now()


def test_a_dry_run_says_the_same_and_changes_nothing(run):
    before = Revision.objects.get().n
    events = AuditEvent.objects.count()
    result = run(*IMPORT, "--dry-run", "--json")
    assert result.data["dry_run"] is True
    assert results(result.data) == EXPECTED
    assert (AllowedOrigin.objects.count(), Revision.objects.get().n) == (0, before)
    assert AuditEvent.objects.count() == events
    assert run(*IMPORT, "--dry-run").out.endswith("dry run: nothing was changed\n")


def test_rows_that_are_there_are_left_alone(run):
    run("client", "add", "other")
    run("origin", "add", "https://a.example", "--client", "other", "--endpoint", "hooks", "--note", "mine")
    lines = {line["typed"]: line for line in run(*IMPORT, "--json").data["lines"]}
    assert lines["https://a.example"]["why"] == "for the client other; not changed"
    row = AllowedOrigin.objects.get(origin="https://a.example")
    assert (row.client.name, row.endpoints, row.note) == ("other", ["hooks"], "mine")


def test_the_switch_for_all_origins_is_reported(run, settings):
    settings.CORS_ALLOW_ALL_ORIGINS = True
    assert results(run(*IMPORT, "--json").data)["all origins"] == "not importable"


def test_the_older_name_of_the_setting_is_read(run, settings):
    del settings.CORS_ALLOWED_ORIGINS
    settings.CORS_ORIGIN_WHITELIST = ("https://old.example",)
    assert results(run(*IMPORT, "--json").data)["https://old.example"] == "listed"


def test_nothing_to_import_is_said(run, settings):
    settings.CORS_ALLOWED_ORIGINS, settings.CORS_ALLOWED_ORIGIN_REGEXES = [], []
    assert run(*IMPORT).out == "the settings name no origin for django-cors-headers\n"


@pytest.mark.parametrize("value", ["https://a.example", [1], None])
def test_a_setting_that_is_no_list_is_refused(run, settings, value):
    settings.CORS_ALLOWED_ORIGINS = value
    assert run(*IMPORT).status == 2
    assert not AllowedOrigin.objects.exists()


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (("--client", "nobody"), "client"),
        (("--endpoint", "nope"), "endpoints"),
        (("--expires", "x"), "expires_at"),
    ],
)
def test_bad_options_are_refused_before_anything_is_listed(run, options, field):
    result = run(*IMPORT, *options, "--json")
    assert (result.status, set(result.fields)) == (2, {field})
    assert not AllowedOrigin.objects.exists()
