"""Approve, never, open again: what is written, in one transaction, and what is refused with a reason."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from mcp_guard import changes, gate, testing
from mcp_guard.changes import Actor, Approval
from mcp_guard.models import AllowedOrigin, AuditEvent, Refusal
from mcp_guard.policy.decision import Reason, Refused
from mcp_guard.writing import policy_write
from tests.child import ROOT
from tests.live.heads import endpoint, head
from tests.operators.admin_pages import nothing_changes, revision, tags
from tests.operators.refused import ORIGIN, refusal

pytestmark = pytest.mark.django_db

ACTOR = Actor("root")


def approve(row: Refusal, client: Any, *endpoints: str, **values: Any) -> AllowedOrigin:
    return changes.approve_refusal(ACTOR, row, Approval(client, endpoints or ("notes",), **values))


def decided() -> Reason:
    """Return why the gate refuses a request of the origin without a credential."""
    asked = head(endpoint("notes"), origin=ORIGIN)
    settled = gate.settle(endpoint("notes"), asked, gate.judge(endpoint("notes"), asked))
    assert isinstance(settled, Refused)
    return settled.reason


def states() -> dict[tuple[str, str], str]:
    return {(row.endpoint, row.reason): row.state for row in Refusal.objects.all()}


def test_approving_lists_the_origin_and_the_gate_lets_it_in(partner):
    with testing.policy_of_this_connection():
        assert decided() is Reason.ORIGIN_NOT_LISTED
        row = approve(refusal(), partner)
        assert decided() is Reason.CREDENTIAL_MISSING

    assert (row.origin, row.client, row.endpoints) == (ORIGIN, partner, ["notes"])
    assert (row.cookies, row.active, row.expires_at) == (False, True, None)


def test_an_approval_is_one_revision_and_one_event(partner):
    row, before = refusal(), revision()
    until = timezone.now() + timedelta(days=7)

    approve(row, partner, "notes", "tools", cookies=True, expires_at=until)

    assert revision() == before + 1
    event = AuditEvent.objects.get(tag="origin:approve")
    assert (event.actor_label, event.subject, event.before) == ("root", ORIGIN, {})
    assert event.after == {
        "origin": ORIGIN, "client": "partner", "endpoints": ["notes", "tools"], "cookies": True,
        "active": True, "expires_at": until.isoformat(), "note": "",
    }  # fmt: skip


def test_what_listing_mends_is_approved_and_nothing_else(partner):
    row = refusal()
    refusal(exchange="preflight")
    refusal(outcome="would_refuse")
    refusal(endpoint="tools")
    refusal(reason="credential_missing")
    refusal("https://other.example")

    approve(row, partner, "notes")

    assert Refusal.objects.filter(state="approved").count() == 3
    assert states()["tools", "origin_not_listed"] == "open"
    assert states()["notes", "credential_missing"] == "open"
    assert Refusal.objects.get(origin="https://other.example").state == "open"
    row.refresh_from_db()
    assert (row.decided_by, row.decided_at is not None) == ("root", True)


def test_a_row_of_the_same_client_opens_further_endpoints_and_keeps_the_rest(partner):
    listed = testing.list_origin(ORIGIN, partner, "tools", note="ticket 7", cookies=True)

    row = approve(refusal(), partner, expires_at=timezone.now() + timedelta(days=7))

    assert row.pk == listed.pk
    assert (row.endpoints, row.cookies, row.note) == (["tools", "notes"], True, "ticket 7")
    assert row.expires_at is None
    assert AuditEvent.objects.get(tag="origin:approve").before["endpoints"] == ["tools"]


@pytest.mark.parametrize(
    ("had", "asked", "has"),
    [(3, 7, 7), (30, 7, 30), (3, None, None), (None, 7, None)],
)
def test_what_is_in_force_is_never_cut_short(partner, had, asked, has):
    now = timezone.now()

    def moment(days: int | None) -> datetime | None:
        return None if days is None else now + timedelta(days=days)

    testing.list_origin(ORIGIN, partner, "tools", expires_at=moment(had))

    assert approve(refusal(), partner, expires_at=moment(asked)).expires_at == moment(has)


def test_a_row_that_was_switched_off_works_again_for_as_long_as_asked(partner):
    listed = testing.list_origin(ORIGIN, partner, "notes")
    changes.set_origin(ACTOR, listed, active=False)
    until = timezone.now() + timedelta(days=7)

    row = approve(refusal(), partner, expires_at=until)

    assert (row.active, row.expires_at) == (True, until)


@pytest.mark.parametrize("ended", [{"active": False}, {"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}])
def test_a_row_that_is_not_in_force_opens_only_what_is_asked_for(partner, ended):
    listed = testing.list_origin(ORIGIN, partner, "tools", cookies=True)
    with policy_write():
        AllowedOrigin.objects.update(**ended)

    row = approve(refusal(), partner)

    assert row.pk == listed.pk
    assert (row.endpoints, row.cookies, row.active, row.expires_at) == (["notes"], False, True, None)
    assert AuditEvent.objects.get(tag="origin:approve").before["endpoints"] == ["tools"]


@pytest.mark.parametrize(
    ("values", "field", "message"),
    [
        ({"endpoints": []}, "endpoints", "choose at least one endpoint"),
        ({"endpoints": ["nowhere"]}, "endpoints", "there is no endpoint “nowhere”; declared are: "),
        ({"endpoints": ["hooks"]}, "endpoints", "“hooks” asks no allowlist"),
        ({"endpoints": ["public"]}, "endpoints", "“public” asks no allowlist"),
        (
            {"endpoints": ["tools"], "cookies": True},
            "cookies",
            "no chosen endpoint takes cookies: their profiles do not",
        ),
        ({"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}, "expires_at", "this moment has passed"),
    ],
)
def test_what_cannot_be_approved_is_said_beside_its_field(partner, values, field, message):
    row = refusal()
    asked = Approval(**{"client": partner, "endpoints": ["notes"], **values})

    with nothing_changes(), pytest.raises(ValidationError) as raised:
        changes.approve_refusal(ACTOR, row, asked)

    assert list(raised.value.message_dict) == [field]
    assert raised.value.message_dict[field][0].startswith(message)


def test_an_origin_of_another_client_is_left_to_it(partner):
    testing.list_origin(ORIGIN, testing.add_client("acme"), "tools")
    row = refusal()

    with nothing_changes(), pytest.raises(ValidationError) as raised:
        approve(row, partner)

    [text] = raised.value.message_dict["client"]
    assert text == f"{ORIGIN} is listed for the client “acme”; one origin belongs to one client"


def test_a_disabled_client_gets_nothing(partner):
    changes.set_client(ACTOR, partner, active=False)
    partner.refresh_from_db()
    row = refusal()

    with nothing_changes(), pytest.raises(ValidationError) as raised:
        approve(row, partner)

    assert raised.value.message_dict == {"client": ["this client is disabled: its origins are refused"]}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"origin": "null", "reason": "origin_null"}, "this was refused for origin_null"),
        ({"origin": "https://EXAMPLE.com"}, "no browser sends this origin in this form"),
        ({"origin": ""}, "no browser sends this origin in this form"),
        ({"reason": "token_expired"}, "this was refused for token_expired"),
        ({"origin": "", "host": "", "is_rest": True}, "this counts all refusals without a row of their own"),
    ],
)
def test_what_listing_would_not_mend_cannot_be_approved(partner, values, message):
    row = refusal(**values)

    with nothing_changes(), pytest.raises(ValidationError) as raised:
        approve(row, partner)

    assert raised.value.messages[0].startswith(message)


def test_nothing_is_written_when_the_row_is_not_the_one_that_was_shown(partner):
    row, asked = refusal(), Approval(partner, ["notes"])
    shown = changes.plan_approval(row, asked).after
    testing.list_origin(ORIGIN, partner, "tools")

    with nothing_changes(), pytest.raises(ValidationError, match="changed meanwhile"):
        changes.approve_refusal(ACTOR, row, asked, shown=shown)

    again = changes.plan_approval(row, asked)
    assert changes.approve_refusal(ACTOR, row, asked, shown=again.after).endpoints == ["tools", "notes"]


def test_a_plan_writes_nothing(partner):
    row = refusal()

    with nothing_changes():
        plan = changes.plan_approval(row, Approval(partner, ["notes"]))

    assert (plan.before, plan.row.pk) == (None, None)


def test_never_sets_the_origin_aside_on_its_endpoint_now_and_later():
    row, before = refusal(), revision()
    refusal(reason="origin_malformed")
    refusal(endpoint="tools")

    assert changes.set_refusal_aside(ACTOR, row) == 2

    assert refusal(host="other").state == "never"
    assert states() == {
        ("notes", "origin_not_listed"): "never",
        ("notes", "origin_malformed"): "never",
        ("tools", "origin_not_listed"): "open",
    }
    event = AuditEvent.objects.get(tag="refusal:never")
    assert (event.actor_label, event.subject, event.after) == (
        "root",
        f"{ORIGIN} notes",
        {"states": ["never"]},
    )
    assert revision() == before


def test_never_of_what_has_no_origin_is_about_this_group_alone():
    row = refusal("", reason="credential_missing")
    other = refusal("", reason="credential_missing", host="other")

    assert changes.set_refusal_aside(ACTOR, row) == 1

    other.refresh_from_db()
    assert other.state == "open"


def test_what_is_listed_has_to_be_unlisted_first(partner):
    row = refusal()
    approve(row, partner)

    with nothing_changes(), pytest.raises(ValidationError, match="take it off the allowlist first"):
        changes.set_refusal_aside(ACTOR, row)


def test_the_rest_of_others_cannot_be_set_aside():
    row = refusal("", host="", is_rest=True)

    with nothing_changes(), pytest.raises(ValidationError, match="nobody to set aside"):
        changes.set_refusal_aside(ACTOR, row)


def test_opening_again_takes_back_what_was_said():
    row = refusal()
    changes.set_refusal_aside(ACTOR, row)

    assert changes.reopen_refusal(ACTOR, row) == 1

    row.refresh_from_db()
    assert (row.state, row.decided_by, row.decided_at) == ("open", "", None)
    assert refusal(host="other").state == "open"
    assert tags()[-2:] == ["refusal:never", "refusal:reopen"]


@pytest.mark.services
def test_an_approval_that_waits_for_the_inbox_keeps_no_change_waiting(postgres_url):
    script = [sys.executable, "-m", "tests.operators.waiting_approval"]
    environment = os.environ | {
        "DATABASE_URL": postgres_url, "DJANGO_SETTINGS_MODULE": "tests.faults.site.settings"
    }  # fmt: skip

    done = subprocess.run(
        script, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )

    assert (done.returncode, done.stdout) == (0, "changed, then approved\n"), done.stderr
