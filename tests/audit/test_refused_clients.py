"""Whose request was refused, where the origin or the token tells it; nothing is guessed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from mcp_guard import changes, gate, testing
from mcp_guard.audit import refusals
from mcp_guard.audit.inbox import Inbox
from mcp_guard.policy.decision import Admitted, Refused
from tests.live.heads import endpoint, head

pytestmark = pytest.mark.django_db

ORIGIN = "https://app.example.com"


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    """Return the inbox, with the policy of the test's own transaction."""
    box = Inbox()
    monkeypatch.setattr(refusals, "inbox", box)
    with testing.policy_of_this_connection():
        yield box


def ask(name: str, **headers: str) -> str:
    """Have the gate judge a request, and return the reason for which it is or would be refused."""
    asked = head(endpoint(name), **headers)
    settled = gate.settle(endpoint(name), asked, gate.judge(endpoint(name), asked))
    if isinstance(settled, Refused):
        gate.answer(endpoint(name), asked, settled)
        return settled.reason.value
    assert isinstance(settled, Admitted)
    return "" if settled.would_refuse is None else settled.would_refuse.value


def noted(box: Inbox) -> list[tuple[str, str, str, int]]:
    """Return reason, outcome, client and count of what was noted."""
    return [(key.reason, key.outcome, key.client, group.count) for key, group in box.take().items()]


def test_a_listed_origin_tells_the_client(box):
    testing.list_origin(ORIGIN, testing.add_client("partner"), "notes")

    assert ask("notes", origin=ORIGIN) == "credential_missing"

    assert noted(box) == [("credential_missing", "refused", "partner", 1)]


def test_nobody_is_behind_an_unlisted_origin(box):
    issued = testing.issue_token(testing.add_client("partner"), "notes", kind="any")

    assert ask("notes", origin=ORIGIN, **testing.bearer(issued)) == "origin_not_listed"

    assert noted(box) == [("origin_not_listed", "refused", "", 1)]


def test_a_token_of_the_client_tells_it(box):
    client = testing.add_client("partner")
    revoked = testing.issue_token(client, "tools")
    other = testing.issue_token(client, "notes")
    changes.revoke_token(testing.ACTOR, revoked.token)

    assert ask("tools", **testing.bearer(revoked)) == "token_revoked"
    assert ask("tools", **testing.bearer(other)) == "token_wrong_endpoint"
    assert ask("tools", Authorization="Bearer mcpg_" + "x" * 43) == "token_mistyped"

    assert noted(box) == [
        ("token_revoked", "refused", "partner", 1),
        ("token_wrong_endpoint", "refused", "partner", 1),
        ("token_mistyped", "refused", "", 1),
    ]


def test_report_only_notes_whom_it_let_in(box):
    scope = testing.grant_scope("ping", "ping")
    issued = testing.issue_token(testing.add_client("partner"), "notes", kind="any", scopes=[scope])
    changes.report_only(testing.ACTOR, "notes", until=timezone.now() + timedelta(days=1))

    assert ask("notes", origin=ORIGIN, **testing.bearer(issued)) == "origin_not_listed"

    assert noted(box) == [("origin_not_listed", "would_refuse", "partner", 1)]
