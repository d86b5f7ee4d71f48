"""Events: queued without a query, written in batches, kept while the database is away, counted when lost."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from mcp_guard import changes, testing
from mcp_guard.audit import events
from mcp_guard.audit.events import Category, Event, Recorder
from mcp_guard.models import AuditEvent
from mcp_guard.tokens import mint


@pytest.fixture
def recorder():
    return Recorder(room=3)


@pytest.fixture
def emitted(monkeypatch):
    rows = []
    monkeypatch.setattr(events, "emitted", rows.append)
    return rows


def event(**values):
    return Event(Category.SOCKET, "socket:open", **values)


def broken(monkeypatch, error):
    def fail(*_args, **_kwargs):
        raise error

    monkeypatch.setattr(AuditEvent.objects.none().__class__, "bulk_create", fail)


def test_what_is_put_is_written_by_the_next_flush(db, recorder, emitted):
    recorder.put(event(endpoint="notes", client="partner", details={"bytes": 3}))

    assert not AuditEvent.objects.exists()
    recorder.flush()

    row = AuditEvent.objects.get()
    assert (row.category, row.tag, row.endpoint, row.client) == ("socket", "socket:open", "notes", "partner")
    assert (row.details, row.count, row.seq) == ({"bytes": 3}, 1, None)
    assert [each.pk for each in emitted] == [row.pk]
    assert len(recorder) == 0


def test_nothing_to_write_asks_nothing_of_the_database(db, recorder):
    with CaptureQueriesContext(connection) as queries:
        recorder.flush()

    assert not queries.captured_queries


def test_putting_asks_nothing_of_the_database(db, recorder):
    with CaptureQueriesContext(connection) as queries:
        recorder.put(event(user_id=1, token_id=2))

    assert not queries.captured_queries


def test_more_than_one_batch_is_written_in_order(db, monkeypatch, recorder):
    monkeypatch.setattr(events, "BATCH", 2)
    for number in range(3):
        recorder.put(event(subject=str(number)))

    recorder.flush()

    assert [row.subject for row in AuditEvent.objects.order_by("pk")] == ["0", "1", "2"]


def test_what_has_no_room_is_counted_and_the_count_is_an_event(db, recorder, emitted):
    for _ in range(5):
        recorder.put(event())
    recorder.put(Event(Category.CALL, "call", count=7))

    recorder.flush()

    lost = AuditEvent.objects.get(tag=events.LOST)
    assert (lost.count, lost.details) == (9, {"socket": 2, "call": 7})
    assert AuditEvent.objects.filter(tag="socket:open").count() == 3
    assert len(emitted) == 4


def test_a_flush_that_fails_keeps_the_events_and_emits_them_once(db, recorder, emitted, monkeypatch):
    recorder.put(event(subject="first"))
    with monkeypatch.context() as patch:
        broken(patch, OperationalError("gone"))
        with pytest.raises(OperationalError):
            recorder.flush()
        recorder.put(event(subject="second"))
        with pytest.raises(OperationalError):
            recorder.flush()
    assert not AuditEvent.objects.exists()

    recorder.flush()

    assert [row.subject for row in AuditEvent.objects.order_by("pk")] == ["first", "second"]
    assert [row.subject for row in emitted] == ["first", "second"]


def test_a_row_that_the_database_does_not_take_holds_up_no_other(db, recorder, monkeypatch):
    original = AuditEvent.save_base

    def save_base(self, *args, **kwargs):
        if self.subject == "poison":
            raise events.DataError
        return original(self, *args, **kwargs)

    broken(monkeypatch, events.DataError())
    monkeypatch.setattr(AuditEvent, "save_base", save_base)
    recorder.put(event(subject="poison"))
    recorder.put(event(subject="good"))
    recorder.flush()
    monkeypatch.undo()
    recorder.flush()

    assert [row.subject for row in AuditEvent.objects.filter(tag="socket:open")] == ["good"]
    assert AuditEvent.objects.get(tag=events.LOST).count == 1


def test_a_failure_midway_through_single_rows_writes_none_twice(db, recorder, emitted, monkeypatch):
    original = AuditEvent.save_base

    def save_base(self, *args, **kwargs):
        if self.subject == "poison":
            raise events.DataError
        if self.subject == "third":
            raise OperationalError
        return original(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        broken(patch, events.DataError())
        patch.setattr(AuditEvent, "save_base", save_base)
        for subject in ("first", "poison", "third"):
            recorder.put(event(subject=subject))
        with pytest.raises(OperationalError):
            recorder.flush()

    recorder.flush()

    written = AuditEvent.objects.filter(tag="socket:open").order_by("pk")
    assert [row.subject for row in written] == ["first", "third"]
    assert AuditEvent.objects.get(tag=events.LOST).count == 1
    assert [row.subject for row in emitted if row.tag == "socket:open"] == ["first", "poison", "third"]


def test_users_and_tokens_are_named_when_the_event_is_written(db, recorder):
    user = get_user_model().objects.create_user("ann")
    token = testing.issue_token(testing.add_client(), "notes", name="ci").token
    recorder.put(event(user_id=user.pk, token_id=token.pk))
    recorder.put(event(user_id=user.pk + 1, token_id=token.pk + 1))

    recorder.flush()

    named, gone = AuditEvent.objects.filter(tag="socket:open").order_by("pk")
    assert (named.actor_id, named.actor_label, named.token) == (user.pk, "ann", str(token))
    assert (gone.actor_id, gone.actor_label) == (None, f"user #{user.pk + 1}")
    assert gone.token == f"(#{token.pk + 1})"


def test_hostile_texts_are_cut_and_escaped_and_hold_no_token(db, recorder):
    secret = str(mint())
    hostile = f"\x00\x1b[31m\n\u202e\ud800{secret} " + "x" * 10_000
    recorder.put(
        event(
            user_agent=hostile, subject=hostile, address=hostile, correlation_id=hostile, client=hostile,
            details={hostile: [hostile] * 1000, "deep": [[[[[[hostile]]]]]], "n": float("nan"), "i": 10**400},
        )
    )  # fmt: skip

    recorder.flush()

    row = AuditEvent.objects.get()
    assert secret not in repr(AuditEvent.objects.values().get())
    assert len(row.user_agent) == 200
    assert row.user_agent.startswith("\\x00\\x1b[31m\\n\\u202e\\ud800mcpg_[redacted]")
    assert len(str(row.details)) < 30_000
    assert row.details["n"] == "nan"


def test_a_change_of_policy_is_emitted_after_its_commit(db, emitted, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        client = changes.add_client(changes.Actor("ann"), name="partner")
        assert emitted == []

    assert [row.tag for row in emitted] == ["client:add"]
    issued = testing.issue_token(client, "notes")
    changes.revoke_token(changes.Actor("ann"), issued.token)
    found = dict(AuditEvent.objects.values_list("tag", "category"))
    assert found == {"client:add": "policy", "token:issue": "token", "token:revoke": "token"}


def test_a_flush_ends_though_events_keep_coming(db, monkeypatch):
    monkeypatch.setattr(events, "BATCH", 2)
    recorder = Recorder()
    monkeypatch.setattr(events, "progress", lambda: [recorder.put(event()) for _ in range(2)])
    for _ in range(4):
        recorder.put(event())

    recorder.flush()

    assert 4 <= AuditEvent.objects.count() <= 6
    assert len(recorder) > 0


def test_an_event_that_is_made_late_says_what_it_was_about(db, recorder):
    made: list[str] = []

    def make() -> Event:
        made.append("made")
        return Event(Category.SOCKET, "socket:open", outcome="late")

    recorder.put_late(Category.SOCKET, make)
    assert made == []
    recorder.flush()
    assert made == ["made"]
    assert [event.outcome for event in AuditEvent.objects.filter(tag="socket:open")] == ["late"]


def test_one_that_is_made_late_is_counted_where_there_is_no_room(db):
    recorder = Recorder(room=0)
    recorder.put_late(Category.SOCKET, lambda: Event(Category.SOCKET, "socket:open"))
    recorder.flush()
    assert AuditEvent.objects.get(tag=events.LOST).details == {"socket": 1}
