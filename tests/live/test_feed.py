"""Following the change records comes to the same policy as reading everything, or reads everything."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.db.models import F
from django.test import override_settings
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcp_guard import changes, testing
from mcp_guard.changes import record
from mcp_guard.live import feed, load
from mcp_guard.live.holder import holder
from mcp_guard.models import AllowedOrigin, Change, Client, Revision, Scope, Token
from mcp_guard.policy.snapshot import Snapshot

ALIAS = "default"
ACTOR = testing.ACTOR

pytestmark = pytest.mark.usefixtures("db")


class Follower:
    """A process that follows: what it knows, and which of the ways of reading it took."""

    def __init__(self, monkeypatch=None) -> None:
        self.seen = load.look(ALIAS)
        self.snapshot = load.load_at(ALIAS, self.seen)
        self.ways: list[str] = []
        for name in ("load_at", "reload_rules", "reload_tokens") if monkeypatch else ():
            monkeypatch.setattr(load, name, partial(self._noting, name, getattr(load, name)))

    def _noting(self, name, read, *arguments) -> Snapshot:
        self.ways.append(name)
        return read(*arguments)

    def follow(self) -> Snapshot:
        seen = load.look(ALIAS)
        if not self.seen.is_same(seen):
            self.snapshot = feed.follow(ALIAS, self.snapshot, self.seen, seen)
            self.seen = seen
        return self.snapshot


@pytest.fixture
def follower(monkeypatch) -> Follower:
    testing.issue_token(testing.add_client(), "tools")
    return Follower(monkeypatch)


def partner() -> Client:
    return Client.objects.get(name="partner")


def issue(_=0) -> Token:
    return testing.issue_token(partner(), "tools").token


def whole() -> Snapshot:
    return load.load_at(ALIAS, load.look(ALIAS))


def test_tokens_are_read_one_by_one(follower):
    issue()
    changes.revoke_token(ACTOR, Token.objects.first())

    assert follower.follow() == whole()
    assert follower.ways[:1] == ["reload_tokens"]


def test_origins_and_endpoints_leave_the_tokens_alone(follower):
    testing.list_origin("https://a.example", partner(), "tools")
    changes.report_only(ACTOR, "tools", until=timezone.now() + timedelta(days=1))

    assert follower.follow() == whole()
    assert follower.ways[:1] == ["reload_rules"]


@pytest.mark.parametrize("change", ["client", "token and origin"])
def test_what_concerns_both_reads_both_and_no_other_token(follower, change):
    if change == "client":
        changes.set_client(ACTOR, partner(), active=False)
    else:
        issue()
        testing.list_origin("https://a.example", partner(), "tools")

    assert follower.follow() == whole()
    assert follower.ways[:2] == ["reload_rules", "reload_tokens"]


def test_a_scope_reads_everything(follower):
    testing.grant_scope("read", "tools/call:read")

    assert follower.follow() == whole()
    assert follower.ways[:1] == ["load_at"]


def test_a_client_with_very_many_tokens_reads_everything(follower, monkeypatch):
    monkeypatch.setattr(feed, "MOST_TOKENS", 1)
    issue()
    issue()
    follower.follow()
    changes.set_client(ACTOR, partner(), active=False)

    assert is_followed_by_reading_everything(follower)


def is_followed_by_reading_everything(follower: Follower) -> bool:
    """Whether the follower reads everything after one more change that names just a token."""
    issue()
    found = follower.follow()
    return follower.ways[-1:] == ["load_at"] and found == whole()


def test_a_gap_reads_everything(follower):
    issue()
    issue()
    Change.objects.filter(revision=follower.seen.revision + 1).delete()

    assert is_followed_by_reading_everything(follower)


def test_records_pruned_beyond_what_is_known_read_everything(follower):
    issue()
    Change.objects.filter(revision__lte=follower.seen.revision).delete()

    assert is_followed_by_reading_everything(follower)


def test_too_many_changes_read_everything(follower, monkeypatch):
    monkeypatch.setattr(feed, "MOST", 2)
    issue()
    issue()

    assert is_followed_by_reading_everything(follower)


def test_another_epoch_reads_everything(follower):
    Revision.objects.update(epoch="00000000-0000-0000-0000-000000000001")

    assert is_followed_by_reading_everything(follower)


@pytest.fixture
def restored(follower):
    """The database as it was before the last change that the follower has seen, and that change undone."""
    token = Token.objects.get()
    point = connection.savepoint()
    changes.revoke_token(ACTOR, token)
    assert [record.revoked for record in follower.follow().tokens.values()] == [True]
    connection.savepoint_rollback(point)
    follower.ways.clear()
    return follower


def test_a_restored_backup_reads_everything(restored):
    found = restored.follow()

    assert restored.ways == ["load_at"]
    assert [record.revoked for record in found.tokens.values()] == [False]


@pytest.mark.parametrize("changes_since", [1, 2, 5])
def test_a_restored_backup_that_went_on_reads_everything(restored, changes_since):
    """Also when it has come to the very revision that is known, or beyond it."""
    for _ in range(changes_since):
        testing.list_origin(f"https://a{AllowedOrigin.objects.count()}.example", partner(), "tools")

    found = restored.follow()

    assert restored.ways == ["load_at"]
    assert found == whole()


def test_the_holder_notices_a_restored_backup_at_the_very_revision_it_knows(policy):
    issued = testing.issue_token(testing.add_client(), "tools").token
    with transaction.atomic():
        point = connection.savepoint()
        changes.revoke_token(ACTOR, issued)
        holder.refresh()
        connection.savepoint_rollback(point)
        testing.list_origin("https://a.example", partner(), "tools")
        holder.refresh()

    assert [record.revoked for record in holder.snapshot.tokens.values()] == [False]


def test_the_holder_reads_everything_when_a_user_is_deactivated(policy):
    user = get_user_model().objects.create_user("somebody")
    testing.issue_token(testing.add_client(), "tools", user=user)
    holder.refresh()
    get_user_model().objects.filter(pk=user.pk).update(is_active=False)

    holder.refresh()

    assert [record.user_active for record in holder.snapshot.tokens.values()] == [False]


def test_old_change_records_are_pruned(monkeypatch):
    monkeypatch.setattr(record, "KEPT_CHANGES", 5)
    monkeypatch.setattr(record, "PRUNED_EVERY", 4)
    testing.add_client()
    for _ in range(15):
        issue()

    assert Revision.objects.get().n == 16
    assert list(Change.objects.values_list("revision", flat=True)) == [12, 13, 14, 15, 16]


def test_who_follows_across_a_pruning_comes_to_the_same_policy(follower, monkeypatch):
    monkeypatch.setattr(record, "KEPT_CHANGES", 1)
    monkeypatch.setattr(record, "PRUNED_EVERY", 1)
    for _ in range(4):
        issue()

    assert is_followed_by_reading_everything(follower)


def test_tokens_in_memory_stay_within_their_limit(follower):
    guard = {"ENDPOINTS": {"tools": {"profile": "token"}}, "TOKENS_IN_MEMORY": 3}
    with override_settings(MCP_GUARD=guard):
        for _ in range(5):
            issue()
            found = follower.follow()
            assert len(found.tokens) <= 3

        assert found.is_partial
        newest = Token.objects.order_by("-pk").values_list("pk", flat=True)[:3]
        assert {record.token_id for record in found.tokens.values()} == set(newest)


def test_a_token_mended_by_hand_is_no_problem_any_more(follower):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE mcp_guard_token SET kind = 'odd'")
    Revision.objects.update(n=F("n") + 1)
    assert any("'odd' is not a valid TokenKind" in problem for problem in follower.follow().problems)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE mcp_guard_token SET kind = 'server'")

    changes.set_token(ACTOR, Token.objects.get(), name="mended")

    assert follower.follow() == whole()


# Random sequences: a step takes a number that chooses which of the rows there are it is about.


def _pick(rows, number: int):
    found = list(rows.order_by("pk"))
    return found[number % len(found)] if found else None


def _on(pick, act):
    def step(number: int) -> None:
        row = pick(number)
        if row is not None:
            act(row, number)

    return step


def _live_token(number: int) -> Token | None:
    return _pick(Token.objects.filter(revoked_at=None), number)


def _origin(number: int) -> AllowedOrigin | None:
    return _pick(AllowedOrigin.objects.all(), number)


def _list(number: int) -> None:
    name = f"https://o{number}.example"
    if not AllowedOrigin.objects.filter(origin=name).exists():
        testing.list_origin(name, partner(), "tools", "notes")


def _set_scope(number: int) -> None:
    scope = Scope.objects.first()
    changes.set_scope(ACTOR, scope, grants=[f"tools/call:t{number}"])


STEPS = {
    "issue": lambda n: testing.issue_token(partner(), "tools", scopes=list(Scope.objects.all())[: n % 2]),
    "revoke": _on(_live_token, lambda row, n: changes.revoke_token(ACTOR, row)),
    "rotate": _on(
        _live_token,
        lambda row, n: changes.rotate_token(ACTOR, row, overlap=timedelta(hours=n), end_older=True),
    ),
    "set": _on(
        _live_token, lambda row, n: changes.set_token(ACTOR, row, endpoints=[["tools"], ["notes"]][n % 2])
    ),
    "delete": _on(_live_token, lambda row, n: changes.delete_token(ACTOR, row)),
    "list": _list,
    "unlist": _on(_origin, lambda row, n: changes.unlist_origin(ACTOR, row)),
    "switch": _on(_origin, lambda row, n: changes.set_origin(ACTOR, row, active=bool(n % 2))),
    "report": lambda n: changes.report_only(
        ACTOR, "tools", until=timezone.now() + timedelta(days=1 + n % 10)
    ),
    "enforce": lambda n: changes.enforce(ACTOR, "tools"),
    "client": lambda n: changes.set_client(ACTOR, partner(), active=bool(n % 2)),
    "scope": _set_scope,
}
SEQUENCES = st.lists(
    st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 7), st.booleans()), min_size=1, max_size=25
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SEQUENCES)
def test_following_any_changes_equals_reading_everything(sequence):
    """``looks`` says whether the follower looks after a step or lets changes pile up."""
    with transaction.atomic():
        testing.grant_scope("read", "tools/call:read")
        testing.issue_token(testing.add_client(), "tools")
        follower = Follower()
        for name, number, looks in sequence:
            STEPS[name](number)
            if looks:
                assert follower.follow() == whole()
        assert follower.follow() == whole()
        transaction.set_rollback(True)


def test_the_property_can_fail(follower):
    """A follower that missed a change is told from one that did not."""
    issue()
    missed = replace(follower.snapshot, revision=load.look(ALIAS).revision)

    assert missed != whole()
