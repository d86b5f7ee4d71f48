"""Retention: what goes is old, sealed, shipped and sound, and what stays can still be proven."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from mcp_guard.audit import prune, seal
from mcp_guard.audit.prune import Bounds, Broken
from mcp_guard.audit.verify import Kind, verify
from mcp_guard.models import AuditEvent, AuditSeal, Shipment
from tests.audit.trail import add_events, rows, seal_events, sql

pytestmark = pytest.mark.django_db

NOW = timezone.now()
OLD = NOW - timedelta(days=500)
BEFORE = Bounds(before=NOW - timedelta(days=400))


def seal_old(count):
    AuditEvent.objects.bulk_create(
        AuditEvent(tag="client:add", subject=str(each), actor_label="ann", at=OLD) for each in range(count)
    )
    seal.seal_all()


def kept():
    return [row.seq for row in rows() if row.tag != prune.PRUNED]


def test_what_is_older_goes_and_the_rest_verifies():
    seal_old(3)
    seal_events(2)

    assert prune.prune_all(BEFORE, "command") == 3

    assert kept() == [4, 5]
    seal.seal_all()
    verdict = verify()
    assert verdict.is_sound
    assert (verdict.pruned, verdict.first, verdict.last) == (3, 4, 6)


def test_pruning_is_an_event_of_its_own():
    seal_old(3)

    prune.prune_all(BEFORE, "command by ann")

    event = AuditEvent.objects.get(tag=prune.PRUNED)
    assert (event.category, event.actor_label, event.subject, event.count) == (
        "audit", "command by ann", "1 to 3", 3,
    )  # fmt: skip
    assert event.details == {"first": 1, "last": 3, "unshipped": 0}


def test_nothing_to_prune_records_nothing():
    seal_events(2)

    assert prune.prune_all(BEFORE, "command") == 0

    assert not AuditEvent.objects.filter(tag=prune.PRUNED).exists()


def test_unsealed_events_stay_however_old():
    AuditEvent.objects.create(tag="client:add", subject="1", actor_label="ann", at=OLD)

    assert prune.prune_all(BEFORE, "command") == 0
    assert AuditEvent.objects.count() == 1


def test_an_old_event_behind_a_new_one_stays():
    seal_events(1)
    seal_old(2)

    assert prune.prune_all(BEFORE, "command") == 0


def test_the_oldest_past_the_number_of_rows_go():
    seal_events(5)

    assert prune.prune_all(Bounds(rows=2), "command") == 3
    assert kept() == [4, 5]


def test_it_goes_on_where_it_ended(monkeypatch):
    monkeypatch.setattr(prune, "BATCH", 2)
    seal_old(5)
    assert prune.prune_all(BEFORE, "command") == 5
    seal_old(3)
    seal_events(1)

    prune.prune_all(BEFORE, "command")

    assert verify().is_sound


@pytest.fixture
def shipped(settings):
    destination = {"url": "https://collector.example.com/", "token_file": __file__}
    settings.MCP_GUARD = {**settings.MCP_GUARD, "SHIP": {"siem": destination, "other": destination}}


@pytest.mark.parametrize(
    ("rows", "expected"), [({"siem": 2, "other": 4}, [3, 4, 5]), ({"siem": 4}, [1, 2, 3, 4, 5])]
)
def test_what_is_not_shipped_stays_when_it_is_old(shipped, rows, expected):
    seal_old(5)
    for name, seq in {**rows, "a destination of former times": 0}.items():
        Shipment.objects.create(destination=name, seq=seq)

    prune.prune_all(BEFORE, "command")

    assert kept() == expected


def test_what_is_not_shipped_goes_when_there_are_too_many_and_is_counted(shipped):
    seal_events(5)
    for name, seq in (("siem", 1), ("other", 5)):
        Shipment.objects.create(destination=name, seq=seq)

    prune.prune_all(Bounds(rows=2), "command")

    assert kept() == [4, 5]
    assert AuditEvent.objects.get(tag=prune.PRUNED).details["unshipped"] == 2


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE mcp_guard_auditevent SET subject = 'x' WHERE seq = 2",
        "DELETE FROM mcp_guard_auditevent WHERE seq = 2",
        "DELETE FROM mcp_guard_auditevent WHERE seq = 3",
    ],
)
def test_what_does_not_verify_is_evidence_and_stays(statement):
    seal_old(3)
    seal_events(1)
    sql(statement)
    before = AuditEvent.objects.count()

    with pytest.raises(Broken):
        prune.prune_all(BEFORE, "command")
    assert AuditEvent.objects.count() == before

    prune.prune_all(Bounds(before=BEFORE.before, is_broken_pruned=True), "command")
    assert AuditEvent.objects.get(tag=prune.PRUNED).outcome == "broken"
    assert kept() == [4]


def test_the_start_of_the_chain_cannot_be_moved_by_hand():
    seal_events(5)
    digest = rows()[2].digest
    sql("DELETE FROM mcp_guard_auditevent WHERE seq <= 3")
    sql("UPDATE mcp_guard_auditseal SET pruned_seq = 3, pruned_digest = %s", digest)

    assert [fault.kind for fault in verify().faults] == [Kind.END]


def test_the_errand_prunes_by_the_settings(settings):
    settings.MCP_GUARD = {**settings.MCP_GUARD, "AUDIT_DAYS": 450}
    seal_old(2)
    seal_events(1)
    pruner = prune.Pruner()
    pruner.run()
    assert kept() == [1, 2, 3]

    pruner._due = 0
    pruner.run()

    assert kept() == [3]
    assert AuditSeal.objects.get().pruned_seq == 2


def test_zero_keeps_everything(settings):
    settings.MCP_GUARD = {**settings.MCP_GUARD, "AUDIT_DAYS": 0, "AUDIT_ROWS": 0}
    seal_old(2)

    assert prune.prune_all(Bounds.of_settings(NOW), "command") == 0
    add_events(1)
