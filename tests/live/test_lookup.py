"""Look-ups of tokens beyond those in memory: none outlives its revocation, none is remembered in vain."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import pytest
from django.db import OperationalError
from django.test import override_settings

from mcp_guard import changes, gate, testing
from mcp_guard.live import load, lookup
from mcp_guard.live.holder import holder
from mcp_guard.live.lookup import Lookups, lookups
from mcp_guard.policy.decision import Admitted, Reason, Refused
from mcp_guard.tokens import digest, mint
from tests.live.heads import endpoint, head

SECONDS = 10


@pytest.fixture
def issued(live_policy) -> Iterator[changes.IssuedSecret]:
    """A token that is not in memory, because a newer one fills it."""
    guard = {"ENDPOINTS": {"tools": {"profile": "token"}}, "TOKENS_IN_MEMORY": 1}
    with override_settings(MCP_GUARD=guard):
        client = testing.add_client()
        issued = testing.issue_token(client, "tools")
        testing.issue_token(client, "tools")
        holder.refresh()
        assert holder.snapshot.is_partial
        yield issued
        lookups.forget()
        lookup.readers.stop()


def judged(text: str):
    declared = endpoint("tools")
    asked = head(declared, authorization=f"Bearer {text}")
    return gate.settle(declared, asked, gate.judge(declared, asked))


def is_remembered(text: str) -> bool:
    return lookups.remembered(digest(text), holder.snapshot) is not None


def test_a_token_beyond_those_in_memory_is_looked_up_and_remembered(issued):
    assert isinstance(judged(issued.text), Admitted)

    assert is_remembered(issued.text)


def test_what_is_remembered_is_not_read_again(issued, monkeypatch):
    judged(issued.text)
    monkeypatch.setattr(load, "read_token", unreadable)

    assert isinstance(judged(issued.text), Admitted)


def unreadable(alias, digest):
    raise OperationalError("nobody reads this")


@pytest.fixture
def revoked_between(issued, monkeypatch) -> changes.IssuedSecret:
    """The token, which is revoked after it was read from the database and before it is remembered."""
    read_token = load.read_token
    read = []

    def read_and_revoke(alias, wanted):
        found = read_token(alias, wanted)
        read.append(wanted)
        if len(read) == 1:
            changes.revoke_token(testing.ACTOR, issued.token)
            holder.refresh()
        return found

    monkeypatch.setattr(load, "read_token", read_and_revoke)
    return issued


def test_a_token_revoked_while_it_is_looked_up_is_refused(revoked_between):
    assert judged(revoked_between.text) == Refused(Reason.TOKEN_REVOKED)
    assert judged(revoked_between.text) == Refused(Reason.TOKEN_REVOKED)


def test_without_the_look_at_the_snapshot_it_would_be_let_in(revoked_between, monkeypatch):
    """The check in ``_remember`` is what the test above stands on."""

    def remember_anything(self, wanted, record, snapshot):
        self._remembered[wanted] = record
        return True

    monkeypatch.setattr(Lookups, "_remember", remember_anything)

    assert isinstance(judged(revoked_between.text), Admitted)


def test_what_was_remembered_is_nothing_to_a_newer_snapshot(issued, monkeypatch):
    """Also in the moment between the swap and the clearing of the memory."""
    assert isinstance(judged(issued.text), Admitted)
    monkeypatch.setattr(holder, "_after_swap", [])
    changes.revoke_token(testing.ACTOR, issued.token)
    holder.refresh()
    assert digest(issued.text) in lookups._remembered

    assert judged(issued.text) == Refused(Reason.TOKEN_REVOKED)


def test_an_unknown_token_is_never_remembered(issued):
    strangers = [mint() for _ in range(5)]

    assert {judged(text) for text in strangers} == {Refused(Reason.TOKEN_UNKNOWN)}
    assert not lookups._remembered


def test_a_mistyped_token_is_not_looked_up(issued, monkeypatch):
    monkeypatch.setattr(load, "read_token", unreadable)

    assert judged(issued.text[:-1] + "!") == Refused(Reason.CREDENTIAL_MALFORMED)
    assert judged(f"mcpg_{'0' * 49}") == Refused(Reason.TOKEN_MISTYPED)


def test_memory_keeps_what_was_used_last(issued, monkeypatch):
    monkeypatch.setattr(lookup, "REMEMBERED", 2)
    client = issued.token.client
    others = [testing.issue_token(client, "tools") for _ in range(3)]
    holder.refresh()
    texts = [issued.text, *(other.text for other in others[:2])]

    for text in (texts[0], texts[1], texts[0], texts[2]):
        assert isinstance(judged(text), Admitted)

    assert [is_remembered(text) for text in texts] == [True, False, True]


def test_a_database_that_cannot_be_read_lets_nobody_in(issued, monkeypatch):
    monkeypatch.setattr(load, "read_token", unreadable)

    assert judged(issued.text) == Refused(Reason.STORE_UNREADABLE)


@pytest.fixture
def hanging(issued, monkeypatch) -> Iterator[None]:
    go_on = threading.Event()
    monkeypatch.setattr(load, "read_token", lambda *_: go_on.wait(SECONDS))
    monkeypatch.setattr(lookup.readers, "bound", 0.05)
    yield
    go_on.set()


def test_a_look_up_that_hangs_refuses_within_its_bound(issued, hanging):
    began = time.monotonic()

    assert judged(issued.text) == Refused(Reason.STORE_UNREADABLE)
    assert time.monotonic() - began < 1


async def ajudged(text: str):
    declared = endpoint("tools")
    asked = head(declared, authorization=f"Bearer {text}")
    return await gate.asettle(declared, asked, gate.judge(declared, asked))


async def test_a_look_up_does_not_block_the_event_loop(issued):
    assert isinstance(await ajudged(issued.text), Admitted)


async def test_a_look_up_that_hangs_refuses_within_its_bound_asynchronously(issued, hanging):
    assert await ajudged(issued.text) == Refused(Reason.STORE_UNREADABLE)


def test_more_look_ups_than_may_wait_are_refused_at_once(issued, hanging, monkeypatch):
    monkeypatch.setattr(lookup.readers, "bound", 3600.0)
    monkeypatch.setattr(lookup.readers, "_free", threading.BoundedSemaphore(1))
    lookup.readers._submit(lambda: lookups.find(bytes(32)))
    began = time.monotonic()

    assert judged(issued.text) == Refused(Reason.STORE_UNREADABLE)
    assert time.monotonic() - began < 1


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_process_has_look_ups_of_its_own(issued):
    judged(issued.text)
    assert lookup.readers._threads

    child = os.fork()
    if not child:
        os._exit(0 if not lookup.readers._threads and not lookups._remembered else 1)

    assert os.waitpid(child, 0)[1] == 0
