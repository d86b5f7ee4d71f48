"""``manage.py mcp_guard audit``: what the chain proves, and reading what happened, from a command line."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from mcp_guard.audit import export
from mcp_guard.audit.verify import verify
from mcp_guard.models import AuditEvent, AuditSeal
from mcp_guard.tokens import mint
from tests.audit.trail import add_events, seal_events, sql
from tests.operators.command_line import runner

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(monkeypatch):
    return runner(monkeypatch)


def head():
    seal = AuditSeal.objects.get()
    return f"{seal.seq}:{seal.digest}"


def test_a_sound_chain_verifies_and_says_its_end(run):
    seal_events(3)

    result = run("audit", "verify")

    assert result.status == 0
    assert f"sound: events 1 to 3, ends with {head()}" in result.out


def test_a_broken_chain_exits_with_1_and_the_place(run):
    seal_events(3)
    sql("UPDATE mcp_guard_auditevent SET subject = 'x' WHERE seq = 2")

    result = run("audit", "verify")
    data = run("audit", "verify", "--json").data

    assert result.status == 1
    assert "BROKEN" in result.out
    assert "altered: event 2 (row" in result.out
    assert (data["sound"], data["fault_count"]) == (False, 1)
    assert [(fault["kind"], fault["seq"]) for fault in data["faults"]] == [("altered", 2)]


def test_a_broken_chain_raises_when_it_is_asked_for_in_python():
    seal_events(1)
    sql("UPDATE mcp_guard_auditevent SET subject = 'x'")

    with pytest.raises(CommandError) as caught:
        call_command("mcp_guard", "audit", "verify", stdout=io.StringIO())

    assert caught.value.returncode == 1


def test_an_end_that_was_written_down_is_compared(run):
    seal_events(2)
    written_down = head()
    seal_events(2)

    assert run("audit", "verify", "--head", written_down).status == 0
    assert run("audit", "verify", "--head", f"2:{'ab' * 32}").status == 1
    assert run("audit", "verify", "--head", f"99:{'ab' * 32}").status == 1
    assert run("audit", "verify", "--head", "nonsense").status == 2


def test_a_pruned_end_is_said_not_to_be_compared(run):
    seal_events(3)
    written_down = head()
    seal_events(3)
    assert run("audit", "prune", "--rows", "1").status == 0

    result = run("audit", "verify", "--head", f"1:{'ab' * 32}", "--head", written_down)

    assert result.status == 0
    assert "event 1 is pruned" in result.err


def test_each_verification_is_recorded_and_shown(run):
    seal_events(1)
    run("audit", "verify")

    event = AuditEvent.objects.get(tag="audit:verify")
    assert (event.category, event.outcome, event.subject) == ("audit", "sound", "1 to 1")
    assert event.actor_label.startswith("command mcp_guard audit verify")
    chain = run("audit", "status", "--json").data["chain"]
    assert (chain["head"], chain["sealed_up_to"], chain["unsealed"]) == (head(), 1, 1)
    assert (chain["authentic"], chain["verified"]) == (True, "sound")


def test_status_warns_of_a_chain_that_is_not_authentic(run):
    seal_events(1)
    sql("UPDATE mcp_guard_auditseal SET digest = 'ab'")

    assert "not authentic" in run("audit", "status").err


def test_sealing_by_hand(run):
    add_events(3)

    assert run("audit", "seal", "--json").data["sealed"] == 3
    assert AuditEvent.objects.filter(seq=None).count() == 0


def test_a_chain_that_is_not_authentic_goes_on_only_when_that_is_accepted_and_recorded(run):
    seal_events(3)
    sql("DELETE FROM mcp_guard_auditevent WHERE seq = 3")
    add_events(1)
    refused = run("audit", "seal")
    assert (refused.status, AuditEvent.objects.filter(seq=None).count()) == (1, 1)

    accepted = run("audit", "seal", "--accept")

    assert accepted.status == 0
    event = AuditEvent.objects.get(tag="audit:accept")
    assert (event.details["from"][:2], event.details["to"][:2], event.seq) == ("3:", "2:", 4)
    assert verify().is_sound
    assert run("audit", "seal", "--accept").status == 2


def test_pruning_by_hand(run):
    seal_events(5)

    assert run("audit", "prune", "--rows", "2", "--dry-run", "--json").data == {"would_prune": 3}
    assert AuditEvent.objects.count() == 5
    assert run("audit", "prune", "--rows", "2", "--json").data == {"pruned": 3}
    assert run("audit", "prune", "--rows", "x").status == 2
    assert AuditEvent.objects.get(tag="audit:prune").actor_label.startswith("command mcp_guard audit prune")


def test_what_does_not_verify_is_pruned_only_when_that_is_said(run):
    seal_events(5)
    sql("UPDATE mcp_guard_auditevent SET subject = 'x' WHERE seq = 1")

    refused = run("audit", "prune", "--rows", "2")
    assert (refused.status, AuditEvent.objects.count()) == (1, 5)
    assert run("audit", "prune", "--rows", "2", "--broken").status == 0


@pytest.fixture
def various():
    now = timezone.now()
    rows = [
        {"tag": "token:issue", "category": "token", "actor_label": "ann", "client": "partner"},
        {"tag": "token:revoke", "category": "token", "actor_label": "bob", "endpoint": "notes"},
        {"tag": "authentication:failed", "category": "authentication", "address": "203.0.113.9",
         "correlation_id": "c" * 16, "outcome": "token_unknown", "at": now - timedelta(days=2)},
    ]  # fmt: skip
    AuditEvent.objects.bulk_create(AuditEvent(**row) for row in rows)


@pytest.mark.parametrize(
    ("arguments", "tags"),
    [
        ([], ["token:revoke", "token:issue", "authentication:failed"]),
        (["--category", "token"], ["token:revoke", "token:issue"]),
        (["--tag", "token:issue"], ["token:issue"]),
        (["--tag", "token:*"], ["token:revoke", "token:issue"]),
        (["--actor", "bob"], ["token:revoke"]),
        (["--client", "partner"], ["token:issue"]),
        (["--endpoint", "notes"], ["token:revoke"]),
        (["--address", "203.0.113.9"], ["authentication:failed"]),
        (["--correlation", "c" * 16], ["authentication:failed"]),
        (["--outcome", "token_unknown"], ["authentication:failed"]),
        (["--since", "24h"], ["token:revoke", "token:issue"]),
        (["--until", "1d"], ["authentication:failed"]),
        (["--search", "113"], ["authentication:failed"]),
        (["--limit", "1"], ["token:revoke"]),
        (["--token", "ci (#1)"], []),
    ],
)
def test_events_are_listed_by_what_they_are_about(run, various, arguments, tags):
    assert [event["tag"] for event in run("audit", "list", "--json", *arguments).data] == tags


def test_the_list_is_a_table(run, various):
    out = run("audit", "list").out

    assert "TAG" in out
    assert "token:revoke" in out
    assert run("audit", "list", "--tag", "none").out.strip() == "no events"
    assert run("audit", "list", "--limit", "all").status == 2


HOSTILE = ["=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", " =1", "\uff1d1", 'a"b,c\nd', "\x1b[31m", "\u202egnp"]


def test_an_exported_table_holds_no_formula_and_no_line_break(run, monkeypatch):
    monkeypatch.setattr(export, "CHUNK", 3)
    secret = str(mint())
    for text in [*HOSTILE, secret]:
        AuditEvent.objects.create(tag="t", subject=text, actor_label="ann", details={"=x": text})

    out = run("audit", "export").out

    read = list(csv.DictReader(io.StringIO(out, newline="")))
    assert len(read) == len(out.splitlines()) - 1 == len(HOSTILE) + 1
    assert all(not cell.lstrip().startswith(export.FORMULA) for row in read for cell in row.values())
    assert [row["subject"] for row in read[:4]] == ["'=1+1", "'+1", "'-1+1", "'@SUM(A1)"]
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert secret not in out


def test_exported_json_is_what_was_recorded(run):
    for text in HOSTILE:
        AuditEvent.objects.create(tag="t", subject=text, actor_label="ann", details={"text": [text]})
    seal_events(1)

    out = run("audit", "export", "--format", "json").out

    read = [json.loads(line) for line in out.split("\n")[:-1]]
    assert [row["subject"] for row in read[:-1]] == HOSTILE
    assert read[0]["details"] == {"text": ["=1+1"]}
    assert read[-1]["digest"] == AuditEvent.objects.exclude(seq=None).latest("pk").digest
    assert out.isascii()
    assert run("audit", "export", "--json").out.startswith(out)


def test_an_export_is_recorded_without_token_texts(run, various):
    secret = str(mint())

    out = run("audit", "export", "--tag", "token:*", "--search", secret, "--json").out

    assert out == ""
    event = AuditEvent.objects.get(tag="audit:export")
    assert event.actor_label.startswith("command mcp_guard audit export")
    assert event.details == {"format": "json", "chosen": "tag=token:* search=mcpg_[redacted]"}


def test_no_part_of_a_cell_is_a_formula_for_another_separator():
    assert export.cell("Mozilla;=cmd|' /C calc'!A0") == "Mozilla;'=cmd|' /C calc'!A0"
    assert export.cell("x\t=1, +2|@3") == "x\t'=1, '+2|'@3"
    assert export.cell(["a", "=1"]) == '["a", "\'=1"]'
    assert export._csv([["a;b", "c"]]) == '"a;b","c"\r\n'


def test_numbers_stay_numbers():
    assert [export.cell(value) for value in (3, -3, "-3", None, {}, {"a": 1})] == [
        "3", "-3", "-3", "", "", '{"a": 1}',
    ]  # fmt: skip
