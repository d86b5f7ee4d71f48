"""Sealing: every event once, in order, in bounded batches, and never on top of a chain that was altered."""

from __future__ import annotations

import logging

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from mcp_guard import changes
from mcp_guard.audit import chain, events, seal
from mcp_guard.audit.seal import NotAuthentic, sealer
from mcp_guard.audit.verify import verify
from mcp_guard.models import AuditEvent, AuditSeal
from mcp_guard.sealing import AuditWriteRefused
from tests.audit.trail import add_events, rows, seal_events, sql

pytestmark = pytest.mark.django_db


def end():
    return AuditSeal.objects.get()


def test_events_get_the_next_numbers_and_a_digest_each():
    seal_events(3)
    seal_events(2)

    assert [row.seq for row in rows()] == [1, 2, 3, 4, 5]
    assert len({row.digest for row in rows()}) == 5
    assert all(len(row.digest) == 64 for row in rows())
    assert (end().seq, end().digest) == (5, rows()[-1].digest)
    assert end().sealed_at is not None


def test_a_batch_is_bounded_and_the_next_one_goes_on():
    add_events(5)

    assert seal.seal_batch(limit=2) == 2
    assert [row.seq for row in rows()] == [1, 2, None, None, None]
    assert seal.seal_all() == 3
    assert seal.seal_all() == 0
    assert verify().verified == 5


def test_a_crash_in_the_middle_of_a_batch_leaves_nothing_of_it(monkeypatch):
    seal_events(2)
    add_events(3)

    def crash(*_args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(seal, "save", crash)
        with pytest.raises(KeyboardInterrupt), transaction.atomic():
            seal.seal_batch()

    assert [row.seq for row in rows()] == [1, 2, None, None, None]
    assert verify().is_sound
    assert seal.seal_all() == 3
    assert verify().is_sound


@pytest.mark.parametrize("field", chain.FIELDS)
def test_every_field_counts(field):
    seal_events(1)
    event = rows()[0]
    before = chain.digest(chain.START, event)
    value = getattr(event, field)

    setattr(event, field, None if value or value == {} else "x")

    assert chain.digest(chain.START, event) != before


def test_every_column_is_a_field_that_counts_or_says_nothing():
    columns = {field.name for field in AuditEvent._meta.concrete_fields}

    assert columns - set(chain.FIELDS) == {"actor", "digest"}


def test_a_deleted_user_breaks_nothing():
    user = get_user_model().objects.create_user("ann")
    changes.add_client(changes.Actor.of_user(user), name="partner")
    seal.seal_all()

    user.delete()

    event = AuditEvent.objects.get(tag="client:add")
    assert (event.actor_id, event.actor_label) == (None, "ann")
    assert verify().is_sound


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE mcp_guard_auditseal SET seq = seq - 1",
        "UPDATE mcp_guard_auditseal SET digest = 'ab'",
        "UPDATE mcp_guard_auditseal SET mac = ''",
        "UPDATE mcp_guard_auditseal SET pruned_seq = 1",
        "UPDATE mcp_guard_auditseal SET sealed_at = NULL",
        "DELETE FROM mcp_guard_auditevent WHERE seq = 3",
        "UPDATE mcp_guard_auditevent SET digest = 'ab' WHERE seq = 3",
        "UPDATE mcp_guard_auditevent SET seq = 9 WHERE seq = 1",
        "DELETE FROM mcp_guard_auditseal",
    ],
)
def test_a_chain_that_was_tampered_with_at_its_end_is_not_continued(statement):
    seal_events(3)
    sql(statement)
    add_events(1)

    with pytest.raises(NotAuthentic):
        seal.seal_all()

    assert AuditEvent.objects.filter(seq=None).count() == 1


def test_the_errand_complains_and_goes_on_when_the_chain_is_not_authentic(caplog):
    seal_events(1)
    sql("UPDATE mcp_guard_auditseal SET digest = 'ab'")
    add_events(1)
    caplog.set_level(logging.ERROR, "mcp_guard.seal")

    sealer.forget()
    sealer.run()
    events.recorder.written += 1
    sealer.run()

    assert len(caplog.records) == 1
    assert "audit verify" in caplog.text


def test_the_errand_asks_nothing_before_it_is_time_and_nothing_was_written():
    sealer.run()
    with CaptureQueriesContext(connection) as queries:
        sealer.run()

    assert not queries.captured_queries


def test_the_errand_seals_at_once_what_the_process_wrote():
    sealer.run()
    events.put(events.Event(events.Category.SOCKET, "socket:open"))
    events.flush()

    sealer.run()

    assert [row.seq for row in rows()] == [1]


def test_a_chain_that_ends_earlier_than_before_is_recorded(caplog):
    seal_events(2)
    old = AuditSeal.objects.values().get()
    seal_events(2)
    sql("DELETE FROM mcp_guard_auditevent WHERE seq > 2")
    AuditSeal.objects.update(**old)

    seal_events(1)
    events.flush()

    event = AuditEvent.objects.get(tag=seal.ROLLED_BACK)
    assert event.details["from"].startswith("4:")
    assert "rolled back" in caplog.text


def test_an_older_key_still_counts_and_the_next_seal_uses_the_new_one():
    seal_events(1)
    with_old = end().mac
    rotated = {"SECRET_KEY": "new", "SECRET_KEY_FALLBACKS": [settings.SECRET_KEY]}

    with _settings(**rotated):
        assert verify().is_sound
        seal_events(1)
        assert end().mac != with_old
    with _settings(SECRET_KEY="new"):
        assert verify().is_sound
    assert [fault.kind.value for fault in verify().faults] == ["end"]


def test_a_key_of_its_own_replaces_the_secret_key():
    def keys(*found):
        return _settings(MCP_GUARD={**settings.MCP_GUARD, "AUDIT_KEYS": [*found]})

    seal_events(1)
    with _settings(SECRET_KEY="s" * 50):
        AuditSeal.objects.update(mac=chain.mac(end()))
        with keys("k" * 32):
            assert not verify().is_sound
        with keys("k" * 32, "s" * 50):
            seal_events(1)
        with keys("k" * 32):
            assert verify().is_sound
        assert not verify().is_sound


def _settings(**values):
    from django.test import override_settings

    return override_settings(**values)


@pytest.mark.parametrize(
    "write",
    [
        lambda row: AuditEvent.objects.filter(pk=row.pk).update(subject="x"),
        lambda row: AuditEvent.objects.filter(pk=row.pk).delete(),
        lambda row: AuditEvent.objects.bulk_update([row], ["subject"]),
        lambda row: row.save(),
        lambda row: row.delete(),
    ],
)
def test_an_event_is_neither_changed_nor_deleted_through_django(write):
    add_events(1)
    row = rows()[0]
    row.subject = "x"

    with pytest.raises(AuditWriteRefused), transaction.atomic():
        write(row)

    assert rows()[0].subject == "client 1"


def test_the_errand_seals_some_batches_and_goes_on_the_next_time(monkeypatch):
    monkeypatch.setattr(seal, "BATCH", 2)
    monkeypatch.setattr(seal, "TURNS", 2)
    monkeypatch.setattr(seal.seal_batch, "__defaults__", (2,))
    add_events(7)

    sealer.run()
    assert AuditEvent.objects.filter(seq=None).count() == 3
    sealer.run()
    assert AuditEvent.objects.filter(seq=None).count() == 0
