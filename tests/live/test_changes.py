"""Every change of policy raises the revision by one, in the order of commits; nothing else changes policy."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core import serializers
from django.core.exceptions import ValidationError
from django.db import connection, transaction

from mcp_guard import changes, testing
from mcp_guard.changes.record import change
from mcp_guard.models import AllowedOrigin, AuditEvent, Change, Client, EndpointState, Revision, Scope, Token
from mcp_guard.writing import PolicyWriteRefused

ACTOR = testing.ACTOR


class World:
    """One row of each kind."""

    def __init__(self) -> None:
        self.scope = testing.grant_scope("reading", "tools/call:read_note")
        self.client = testing.add_client(scopes=[self.scope])
        self.origin = testing.list_origin("https://app.acme.example", self.client, "notes")
        self.user = get_user_model().objects.create_user("ada")
        self.token = testing.issue_token(self.client, "notes", scopes=[self.scope], user=self.user).token
        self.state = changes.report_only(ACTOR, "notes")


@pytest.fixture
def world(policy: None) -> World:
    return World()


def revision() -> int:
    return Revision.objects.get().n


CHANGES = {
    "client:add": lambda of: changes.add_client(ACTOR, name="another"),
    "client:set": lambda of: changes.set_client(ACTOR, of.client, owner="x", scopes=[]),
    "client:disable": lambda of: changes.set_client(ACTOR, of.client, active=False),
    "client:revoke-tokens": lambda of: changes.revoke_client_tokens(ACTOR, of.client),
    "origin:list": lambda of: testing.list_origin("https://b.example", of.client, "notes"),
    "origin:set": lambda of: changes.set_origin(ACTOR, of.origin, cookies=True),
    "origin:unlist": lambda of: changes.unlist_origin(ACTOR, of.origin),
    "scope:add": lambda of: testing.grant_scope("writing", "tools/call:write_note"),
    "scope:set": lambda of: changes.set_scope(ACTOR, of.scope, grants=[]),
    "scope:remove": lambda of: changes.remove_scope(ACTOR, of.scope),
    "token:issue": lambda of: testing.issue_token(of.client, "notes"),
    "token:set": lambda of: changes.set_token(ACTOR, of.token, name="renamed", scopes=[]),
    "token:rotate": lambda of: changes.rotate_token(ACTOR, of.token),
    "token:revoke": lambda of: changes.revoke_token(ACTOR, of.token),
    "token:delete": lambda of: changes.delete_token(ACTOR, of.token),
    "endpoint:report-only": lambda of: changes.report_only(ACTOR, "tools"),
    "endpoint:enforce": lambda of: changes.enforce(ACTOR, "notes"),
}


@pytest.mark.parametrize("tag", CHANGES)
def test_a_change_raises_the_revision_by_one_and_leaves_its_records(world: World, tag: str):
    before = revision()

    CHANGES[tag](world)

    assert revision() == before + 1
    assert Change.objects.filter(revision__gt=before).values_list("revision", "subject").get() == (
        before + 1,
        tag.partition(":")[0],
    )
    event = AuditEvent.objects.get(revision=before + 1)
    assert (event.tag, event.actor_label) == (tag, ACTOR.label)


REFUSED = {
    "a client of a name that is taken": lambda of: testing.add_client(),
    "a client that owns something": lambda of: changes.delete_client(ACTOR, of.client),
    "an origin that is none": lambda of: testing.list_origin("null", of.client, "notes"),
    "an endpoint nobody declared": lambda of: testing.list_origin("https://b.example", of.client, "x"),
    "a grant that is none": lambda of: testing.grant_scope("all", "*"),
    "a token without a life": lambda of: changes.set_token(ACTOR, of.token, expires_at=of.token.created_at),
    "an overlap that is too long": lambda of: changes.rotate_token(
        ACTOR, of.token, overlap=changes.tokens.MAX_OVERLAP * 2
    ),
    "report-only of an endpoint nobody declared": lambda of: changes.report_only(ACTOR, "x"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_change_that_is_refused_raises_nothing(world: World, what: str):
    before = (revision(), Change.objects.count(), AuditEvent.objects.count())

    with pytest.raises(ValidationError):
        REFUSED[what](world)

    assert (revision(), Change.objects.count(), AuditEvent.objects.count()) == before


PAST_CHANGES = {
    "save": lambda of: of.client.save(),
    "delete": lambda of: of.origin.delete(),
    "save of a secret": lambda of: of.token.secrets.get().save(),
    "create": lambda of: Scope.objects.create(name="x"),
    "get_or_create": lambda of: Client.objects.get_or_create(name="x"),
    "update": lambda of: Token.objects.update(revoked_at=None),
    "update through a relation": lambda of: of.client.tokens.update(revoked_at=None),
    "delete of a queryset": lambda of: AllowedOrigin.objects.all().delete(),
    "bulk_create": lambda of: Scope.objects.bulk_create([Scope(name="x")]),
    "bulk_update": lambda of: Client.objects.bulk_update([of.client], ["active"]),
    "update_or_create": lambda of: EndpointState.objects.update_or_create(name="notes"),
    "a scope added by hand": lambda of: of.token.scopes.add(Scope.objects.get()),
    "scopes set by hand": lambda of: of.client.scopes.set([]),
    "scopes cleared by hand": lambda of: of.token.scopes.clear(),
}


@pytest.mark.parametrize("way", PAST_CHANGES)
def test_policy_is_not_written_past_its_changes(world: World, way: str):
    before = snapshot_of_rows()

    with pytest.raises(PolicyWriteRefused), transaction.atomic():
        PAST_CHANGES[way](world)

    assert snapshot_of_rows() == before


def snapshot_of_rows() -> list[Any]:
    models = (Scope, Client, AllowedOrigin, Token, EndpointState, Revision)
    through = (Client.scopes.through, Token.scopes.through)
    return [list(model._default_manager.order_by("pk").values()) for model in (*models, *through)]


def test_deleting_a_user_deletes_its_tokens_as_changes(world: World):
    before = revision()

    world.user.delete()

    assert not Token.objects.exists()
    assert AuditEvent.objects.get(revision=before + 1).tag == "token:delete"
    assert Change.objects.filter(revision__gt=before).count() == revision() - before


def test_a_fixture_that_is_loaded_raises_the_revision(world: World):
    saved = serializers.serialize("json", [world.scope])
    before = revision()

    for row in serializers.deserialize("json", saved):
        row.save()

    assert revision() == before + 1
    assert Change.objects.get(revision=revision()).subject == "scope"


def test_revisions_become_visible_in_the_order_of_commits(transactional_db: None):
    """A second change waits for the first, so nobody can see its number before the first is there."""
    testing.grant_scope("begin")
    before = revision()
    is_open, may_end, order = threading.Event(), threading.Event(), []

    def first() -> None:
        with change(ACTOR, "scope:first"):
            is_open.set()
            may_end.wait(10)
            order.append("first")
        connection.close()

    def second() -> None:
        is_open.wait(10)
        testing.grant_scope("second")
        order.append("second")
        connection.close()

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    for thread in threads:
        thread.start()
    is_open.wait(10)
    threads[1].join(0.3)
    waited = threads[1].is_alive() and revision() == before
    may_end.set()
    for thread in threads:
        thread.join(10)

    assert waited
    assert order == ["first", "second"]
    assert list(Change.objects.filter(revision__gt=before).values_list("revision", "subject_id")) == [
        (before + 1, ""),
        (before + 2, str(Scope.objects.get(name="second").pk)),
    ]
