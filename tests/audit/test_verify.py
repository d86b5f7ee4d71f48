"""Verification: each kind of tampering is found, with its place, and what is sound is found sound."""

from __future__ import annotations

import json

import pytest
from django.core.management import call_command
from django.db import connection

from mcp_guard.audit import chain, seal, verify
from mcp_guard.audit.verify import Kind
from mcp_guard.models import AuditEvent, AuditSeal
from tests.audit.trail import TABLE, add_events, rows, seal_events, sql

pytestmark = pytest.mark.django_db

COUNT = 10


@pytest.fixture
def sealed(db):
    seal_events(COUNT)


def found(**anchors):
    return [(fault.kind, fault.seq) for fault in verify.verify(**anchors).faults]


def insert_copy(seq):
    """Insert a copy of event 5 with a number of its own."""
    names = [name for name in (*chain.FIELDS, "digest") if name not in ("id", "seq")]
    columns = ", ".join(f'"{name}"' for name in names)
    sql(
        f"INSERT INTO {TABLE} (seq, {columns}) SELECT %s, {columns} FROM {TABLE} WHERE seq = 5",
        seq,
    )


def test_a_sound_chain_is_sound(sealed):
    add_events(2)

    verdict = verify.verify()

    assert verdict.is_sound
    assert (verdict.first, verdict.last, verdict.verified, verdict.unsealed) == (1, COUNT, COUNT, 2)


def test_nothing_at_all_is_sound(db):
    assert verify.verify().is_sound


def test_a_long_chain_is_read_in_chunks(sealed, monkeypatch):
    monkeypatch.setattr(verify, "CHUNK", 3)

    assert verify.verify().verified == COUNT


@pytest.mark.parametrize(
    "assignment",
    [
        "subject = 'other'",
        "actor_label = 'eve'",
        "count = 7",
        "at = '2001-01-01 00:00:00+00:00'",
        "digest = 'ab'",
    ],
)
def test_an_altered_event_is_found_at_its_number(sealed, assignment):
    sql(f"UPDATE mcp_guard_auditevent SET {assignment} WHERE seq = 4")

    assert found()[0] == (Kind.ALTERED, 4)


def test_altered_json_is_found(sealed):
    sql("UPDATE mcp_guard_auditevent SET after = %s WHERE seq = 4", json.dumps({"number": 5}))

    assert found() == [(Kind.ALTERED, 4)]


def test_an_altered_event_with_a_new_digest_is_found_behind_it(sealed):
    event = rows()[3]
    event.subject = "other"
    digest = chain.digest(rows()[2].digest, event)
    sql("UPDATE mcp_guard_auditevent SET subject = 'other', digest = %s WHERE seq = 4", digest)

    assert found() == [(Kind.ALTERED, 5)]


def test_a_removed_event_is_found(sealed):
    sql("DELETE FROM mcp_guard_auditevent WHERE seq = 4")

    assert found()[0] == (Kind.REMOVED, 4)
    assert "event 4 is missing" in verify.verify().faults[0].text


def test_a_removed_start_is_found(sealed):
    sql("DELETE FROM mcp_guard_auditevent WHERE seq <= 3")

    assert found() == [(Kind.REMOVED, 1)]
    assert "events 1 to 3 are missing" in verify.verify().faults[0].text


def test_an_inserted_event_is_found(sealed):
    for seq in range(COUNT, 5, -1):
        sql("UPDATE mcp_guard_auditevent SET seq = seq + 1 WHERE seq = %s", seq)
    insert_copy(6)

    assert (Kind.ALTERED, 6) in found()
    assert (Kind.INSERTED, COUNT + 1) in found()


def test_an_event_behind_the_end_is_found(sealed):
    insert_copy(COUNT + 5)

    assert found() == [(Kind.INSERTED, COUNT + 5)]


def test_an_event_before_the_start_is_found(sealed):
    insert_copy(0)

    assert found() == [(Kind.INSERTED, 0)]


def test_events_that_changed_places_are_found(sealed):
    sql("UPDATE mcp_guard_auditevent SET seq = 99 WHERE seq = 4")
    sql("UPDATE mcp_guard_auditevent SET seq = 4 WHERE seq = 7")
    sql("UPDATE mcp_guard_auditevent SET seq = 7 WHERE seq = 99")

    assert [place for place in found() if place[1] in (4, 7)] == [(Kind.ALTERED, 4), (Kind.ALTERED, 7)]


def test_a_tail_that_was_cut_off_is_found(sealed):
    sql("DELETE FROM mcp_guard_auditevent WHERE seq > 7")

    assert found() == [(Kind.CUT, 8)]


def test_an_end_that_was_rolled_back_is_found(sealed):
    digest = rows()[6].digest
    sql("DELETE FROM mcp_guard_auditevent WHERE seq > 7")
    sql("UPDATE mcp_guard_auditseal SET seq = 7, digest = %s", digest)

    assert found() == [(Kind.END, 7)]


def test_a_chain_that_was_rewritten_as_a_whole_is_found(sealed):
    previous = chain.START
    for event in rows():
        event.actor_label = "eve"
        event.digest = previous = chain.digest(previous, event)
        sql(
            "UPDATE mcp_guard_auditevent SET actor_label = 'eve', digest = %s WHERE seq = %s",
            previous,
            event.seq,
        )
    sql("UPDATE mcp_guard_auditseal SET digest = %s", previous)

    assert found() == [(Kind.END, COUNT)]


def test_a_chain_without_its_ends_is_found(sealed):
    sql("DELETE FROM mcp_guard_auditseal")

    assert {kind for kind, _seq in found()} == {Kind.END, Kind.INSERTED}


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM mcp_guard_auditseal",
        "UPDATE mcp_guard_auditseal SET seq = 0, digest = '', mac = '', sealed_at = NULL",
    ],
)
def test_a_chain_that_was_unsealed_as_a_whole_is_not_sealed_anew(sealed, statement):
    sql("UPDATE mcp_guard_auditevent SET actor_label = 'eve', seq = NULL, digest = ''")
    sql(statement)
    seal.sealer.forget()

    with pytest.raises(seal.NotAuthentic):
        seal.seal_all()

    assert not AuditEvent.objects.exclude(seq=None).exists()
    assert found() == [(Kind.END, 0)]


def test_migrating_makes_no_ends_where_they_were_removed(sealed):
    sql("DELETE FROM mcp_guard_auditseal")

    call_command("migrate", "mcp_guard", verbosity=0)

    assert not AuditSeal.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_flushing_begins_an_empty_chain():
    seal_events(2)

    call_command("flush", interactive=False, verbosity=0)

    assert verify.verify().is_sound
    seal_events(1)
    assert [row.seq for row in rows()] == [1]


def test_ends_that_were_removed_are_made_again_when_that_is_accepted(sealed):
    sql("DELETE FROM mcp_guard_auditseal")

    seal.accept("ann")

    assert AuditSeal.objects.get().seq == COUNT
    assert verify.verify().is_sound
    assert AuditEvent.objects.filter(tag=seal.ACCEPTED).count() == 1


def test_an_old_end_with_its_own_mac_is_found_by_an_anchor_alone(sealed):
    old = AuditSeal.objects.values().get()
    seal_events(5)
    anchor = AuditSeal.objects.get()
    sql("DELETE FROM mcp_guard_auditevent WHERE seq > %s", old["seq"])
    AuditSeal.objects.update(**old)

    assert found() == []
    assert found(anchors={anchor.seq: anchor.digest}) == [(Kind.ANCHOR, anchor.seq)]


def test_an_anchor_that_still_holds_is_no_fault(sealed):
    anchor = AuditSeal.objects.get()
    seal_events(5)

    assert found(anchors={anchor.seq: anchor.digest}) == []
    assert found(anchors={anchor.seq: "ab" * 32}) == [(Kind.ANCHOR, anchor.seq)]


def test_faults_are_counted_past_those_that_are_shown(db):
    seal_events(verify.SHOWN + 20)
    sql("UPDATE mcp_guard_auditevent SET subject = 'x'")

    verdict = verify.verify()

    assert (len(verdict.faults), verdict.fault_count) == (verify.SHOWN, verify.SHOWN + 20)


def test_what_is_pruned_meanwhile_is_no_fault(sealed, monkeypatch):
    from mcp_guard.audit import prune

    original = verify._seal
    seals = []

    def seal_then_prune(alias):
        seals.append(original(alias))
        if len(seals) == 1:
            prune.prune_all(prune.Bounds(rows=4), "test")
        return seals[-1]

    monkeypatch.setattr(verify, "_seal", seal_then_prune)

    assert verify.verify().is_sound
    assert connection.in_atomic_block
    assert AuditEvent.objects.filter(seq__lte=COUNT).count() == 4
    assert seal.seal_all() == 1
