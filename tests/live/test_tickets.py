"""Tickets in the database: bounded, swept, sealed, and nobody's when the store cannot be asked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.db import OperationalError

from mcp_guard import gate, ticket_desk, tickets
from mcp_guard.audit.redact import redacted
from mcp_guard.conf import endpoint
from mcp_guard.live import tickets as live
from mcp_guard.live.tickets import Desk, Wanted
from mcp_guard.models import Ticket
from mcp_guard.policy.credential import UNUSABLE_TICKET, PresentedToken, UnreadSession
from mcp_guard.policy.decision import Admitted, AwaitsTicket, Principal, Reason, Refused
from mcp_guard.policy.facts import Exchange, RequestHead
from mcp_guard.testing import policy_of_this_connection

pytestmark = pytest.mark.django_db

SECRET = "sessionkeyofada0123456789abcdef"


@pytest.fixture(autouse=True)
def policy(db: None):
    with policy_of_this_connection():
        yield


def wanted(holder: str = "token 1", most: int = 100, held: Any = None) -> Wanted:
    return Wanted(
        "notes", b"https://a.example", holder, held or PresentedToken(b"d" * 32, well_formed=True), most
    )


def issued(desk: Desk, **values: Any) -> bytes:
    text = desk.issue(wanted(**values))
    assert text is not None
    return text.encode()


def test_what_the_table_holds_opens_nothing():
    text = issued(Desk(), held=UnreadSession(SECRET))

    row = Ticket.objects.get()
    stored = " ".join(str(value) for value in vars(row).values())
    assert text.decode() not in stored
    assert SECRET not in stored
    assert SECRET not in bytes.fromhex(row.sealed).decode("latin-1")
    assert row.digest == tickets.digest(text).hex() != tickets.key(text).hex()


@pytest.mark.parametrize("held", [PresentedToken(b"d" * 32, well_formed=True), UnreadSession(SECRET)])
def test_it_is_redeemed_once_for_what_it_was_issued_for(held):
    text = issued(Desk(), held=held)

    first = Desk().redeem(tickets.digest(text), tickets.key(text))

    assert first is not None
    assert (first.endpoint, first.origin, first.held) == ("notes", b"https://a.example", held)
    assert Desk().redeem(tickets.digest(text), tickets.key(text)) is None
    assert not Ticket.objects.exists()


@pytest.mark.parametrize("sealed", ["", "zz", "00" * 40])
def test_a_row_that_was_changed_holds_nothing(sealed):
    text = issued(Desk())
    Ticket.objects.update(sealed=sealed)

    found = Desk().redeem(tickets.digest(text), tickets.key(text))

    assert found is not None
    assert found.held == UNUSABLE_TICKET


def test_a_holder_has_only_so_many_and_keeps_nobody_else_from_one():
    desk = Desk()
    for _ in range(3):
        issued(desk, most=3)

    assert desk.issue(wanted(most=3)) is None
    issued(desk, holder="token 2", most=3)
    assert Ticket.objects.count() == 4


def test_there_are_only_so_many_in_all(monkeypatch):
    monkeypatch.setattr(live, "MOST", 2)
    desk = Desk()
    for number in range(2):
        issued(desk, holder=f"token {number}")

    assert desk.issue(wanted("token 3")) is None


def test_what_has_expired_makes_room_and_goes(monkeypatch):
    desk, now = Desk(), 1_000_000.0
    monkeypatch.setattr(live.holder, "now", lambda: now)
    issued(desk, most=1)
    monkeypatch.setattr(live.holder, "now", lambda: now + tickets.SECONDS)

    issued(desk, most=1)

    assert Ticket.objects.count() == 1


def test_who_issued_the_last_one_sweeps_it_and_then_asks_nothing(monkeypatch, django_assert_num_queries):
    desk = Desk()
    with django_assert_num_queries(0):
        desk.sweep()
    issued(desk)
    with django_assert_num_queries(0):
        desk.sweep()  # not yet
    after = live.time.monotonic() + tickets.SECONDS + 2
    monkeypatch.setattr(live.time, "monotonic", lambda: after)
    monkeypatch.setattr(live.holder, "now", lambda: 4e9)

    with django_assert_num_queries(1):
        desk.sweep()
        desk.sweep()

    assert not Ticket.objects.exists()


class TestUnreadable:
    HEAD = RequestHead(Exchange.REQUEST, "POST", "/mcp/ticket", b"", "https", "", "", {b"host": b"h"}, None)

    @pytest.fixture(autouse=True)
    def broken(self, monkeypatch):
        def fail() -> Any:
            raise OperationalError("the database is gone")

        monkeypatch.setattr(live, "_rows", fail)

    def test_no_ticket_is_redeemed(self):
        found = asyncio.run(gate.aredeem(endpoint("notes"), self.HEAD, AwaitsTicket(b"d", b"k")))

        assert found == Refused(Reason.STORE_UNREADABLE)

    def test_no_ticket_is_issued(self, monkeypatch):
        monkeypatch.setattr(ticket_desk, "present", lambda *_: PresentedToken(b"d" * 32, well_formed=True))
        admitted = Admitted(Principal(1, "acme", None, 7))

        answer = ticket_desk.hand_out(endpoint("notes"), self.HEAD, admitted, b"{}")

        assert answer.status == 503
        assert b"mcpt_" not in answer.body


@pytest.mark.parametrize(
    "line",
    [
        "GET /ws/mcp?ticket={} HTTP/1.1",
        "GET /ws/mcp?v=1&ticket={}&w=2",
        "Sec-WebSocket-Protocol: mcp, mcp.auth.{}",
        "offered mcp%2Eauth%2E{}",
        "GET /ws/mcp?nonce={} HTTP/1.1",
        "X-MCP-Nonce: {}",
    ],
)
def test_log_lines_hold_no_credential(line):
    secret = "0123456789abcdef" * 4 if "once" in line else tickets.mint()

    assert secret not in redacted(line.format(secret))
    assert "[redacted]" in redacted(line.format(secret))
    assert redacted(line.format("")).startswith(line.split("{")[0])
