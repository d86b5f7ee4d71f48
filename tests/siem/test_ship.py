"""The shipper and its outbox: at least once, in order, one at a time, and nothing left out unsaid."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.test import override_settings

from mcp_guard.audit import outbox, shippers
from mcp_guard.audit.delivery import Undelivered
from mcp_guard.audit.ecs import identifier
from mcp_guard.audit.lag import lags
from mcp_guard.audit.prune import Bounds, prune_all
from mcp_guard.audit.seal import accept
from mcp_guard.audit.ship import LONGEST_WAIT, MAX_BYTES, REFUSED_WAIT, Came, Shipper, backoff
from mcp_guard.conf.destinations import Destination, Protocol, Rule
from mcp_guard.models import AuditEvent, Shipment
from tests.siem.receiver import destination_of as syslog_destination
from tests.siem.receiver import die, read_all
from tests.siem.sealed import NOW, prune, remove, seal

pytestmark = pytest.mark.django_db

SIEM = Destination(
    "siem", Protocol.HTTPS, "https://siem.example/", "siem.example", 443, batch=10, timeout=5.0
)


class Deliveries:
    """Stands in for a collector: keeps what it gets, and raises what it is told to."""

    def __init__(self, *failures: Exception) -> None:
        self.batches: list[list[bytes]] = []
        self.failures = [*failures]

    def __call__(self, texts):
        self.batches.append([*texts])
        if self.failures:
            raise self.failures.pop(0)

    @property
    def sizes(self):
        return [len(batch) for batch in self.batches]


def shipment():
    return Shipment.objects.get(pk="siem")


def drain(shipper):
    steps = []
    while (step := shipper.step(NOW, 0.5, even_early=True)).came in (Came.SHIPPED, Came.AGAIN):
        steps.append(step)
    return steps


def test_an_event_arrives_at_a_collector_over_https(collector, destination):
    seal(subject="partner")

    step = Shipper(destination).step(NOW, 0.5)

    assert (step.came, step.events) == (Came.SHIPPED, 1)
    [event] = collector.taken
    assert event["event"]["action"] == "client:add"
    assert event["mcp_guard"]["subject"] == "partner"
    row = shipment()
    assert (row.seq, row.shipped_at, row.failures, row.leased_until) == (1, NOW, 0, None)


def test_everything_arrives_in_its_order_and_once(collector, destination):
    seal(35)

    steps = drain(Shipper(destination))

    assert [step.events for step in steps] == [10, 10, 10, 5]
    assert [event["event"]["sequence"] for event in collector.taken] == [*range(1, 36)]
    assert len({event["event"]["id"] for event in collector.taken}) == 35


def test_events_arrive_in_cef_over_syslog(receive, folder):
    seal(3)
    receiver = receive(Protocol.SYSLOG_TLS, read_all)
    shipper = Shipper(syslog_destination(Protocol.SYSLOG_TLS, receiver.port, folder))

    assert shipper.step(NOW, 0.5).events == 3

    receiver.close()
    assert receiver.got.count(b" CEF:0|mcp_guard|mcp_guard|") == 3
    assert b" cn1=3" in receiver.got
    assert Shipment.objects.get(pk="logs").seq == 3


def test_syslog_that_was_not_read_is_sent_again(receive, folder):
    seal(300, details={"text": "x" * 2000})
    dying, reading = receive(Protocol.SYSLOG_TCP, die), receive(Protocol.SYSLOG_TCP, read_all)
    first = syslog_destination(Protocol.SYSLOG_TCP, dying.port)

    assert Shipper(first).step(NOW, 0.5).came is Came.FAILED
    assert Shipment.objects.get(pk="logs").seq == 0
    assert Shipper(replace(first, port=reading.port)).step(NOW, 0.5, even_early=True).events == 300
    assert Shipment.objects.get(pk="logs").seq == 300


def test_what_is_not_sealed_waits():
    AuditEvent.objects.create(tag="client:add", at=NOW)
    deliveries = Deliveries()

    assert Shipper(SIEM, deliveries).step(NOW, 0.5).came is Came.NOTHING
    assert deliveries.batches == []


def test_nothing_is_written_while_there_is_nothing_to_ship(django_assert_num_queries):
    seal()
    shipper = Shipper(SIEM, Deliveries())
    shipper.step(NOW, 0.5)

    with django_assert_num_queries(2) as queries:
        shipper.step(NOW, 0.5)

    assert all(query["sql"].startswith("SELECT") for query in queries.captured_queries)


def test_numbers_that_are_given_anew_after_an_end_was_accepted_are_shipped():
    seal(5)
    deliveries = Deliveries()
    shipper = Shipper(SIEM, deliveries)
    drain(shipper)
    remove([4, 5])
    accept("ann")
    assert shipment().seq == 3

    seal(3, subject="anew")
    drain(shipper)

    assert shipment().seq == 7
    assert [len(batch) for batch in deliveries.batches] == [5, 4]
    assert not AuditEvent.objects.filter(tag=outbox.GAP).exists()


def test_who_ships_while_an_end_is_accepted_moves_no_watermark():
    seal(5)
    lease = outbox.claim(SIEM, "one", NOW)
    remove([4, 5])
    accept("ann")

    assert not outbox.advance(lease, 5, NOW)
    assert shipment().seq == 0


def test_a_watermark_beyond_the_end_begins_again_and_that_is_recorded(caplog):
    seal(6)
    prune(2)
    Shipment.objects.create(destination="siem", seq=9)
    deliveries = Deliveries()
    with override_settings(MCP_GUARD={"SHIP": {"siem": {"url": SIEM.url}}}):
        assert [each.events for each in lags(NOW)] == [4]

    drain(Shipper(SIEM, deliveries))

    assert deliveries.sizes == [4]
    assert shipment().seq == 6
    event = AuditEvent.objects.get(tag=outbox.GAP)
    assert (event.subject, event.outcome, event.count) == ("siem", "shipped again", 4)
    assert event.details == {"from": 9, "to": 2, "sealed": 6}
    assert "had event 9, but the chain ends with 6" in caplog.text


def test_a_failure_leaves_the_watermark_and_the_same_batch_comes_again():
    seal(3)
    deliveries = Deliveries(Undelivered("503 busy"))
    shipper = Shipper(SIEM, deliveries)

    step = shipper.step(NOW, 0.0)

    assert (step.came, step.error) == (Came.FAILED, "503 busy")
    row = shipment()
    assert (row.seq, row.failures, row.last_error) == (0, 1, "503 busy")
    assert row.next_at == NOW + timedelta(seconds=1)
    assert shipper.step(NOW + timedelta(seconds=0.9), 0.0).came is Came.NOTHING
    assert shipper.step(NOW + timedelta(seconds=1), 0.0).came is Came.SHIPPED
    assert deliveries.batches[0] == deliveries.batches[1]
    row = shipment()
    assert (row.seq, row.failures, row.last_error, row.next_at) == (3, 0, "", None)


def test_what_a_delivery_raises_unforeseen_is_a_failure_too(caplog):
    seal()

    step = Shipper(SIEM, Deliveries(ZeroDivisionError("secret"))).step(NOW, 0.0)

    assert (step.came, step.error) == (Came.FAILED, "ZeroDivisionError")
    assert shipment().seq == 0


def test_the_wait_doubles_up_to_its_bound_and_chance_takes_up_to_half_of_it():
    busy, refused = Undelivered("busy"), Undelivered("no", is_refused=True)

    assert [backoff(n, 0.0, busy) for n in range(8)] == [1, 2, 4, 8, 16, 32, LONGEST_WAIT, LONGEST_WAIT]
    assert backoff(5000, 1.0, busy) == LONGEST_WAIT / 2
    assert backoff(0, 0.0, refused) == REFUSED_WAIT


def test_a_collector_may_ask_for_a_longer_wait():
    seal()

    Shipper(SIEM, Deliveries(Undelivered("429", retry_after=90))).step(NOW, 0.0)

    assert shipment().next_at == NOW + timedelta(seconds=90)


def test_a_refusal_stops_there_and_is_told(caplog):
    seal(2)
    deliveries = Deliveries(Undelivered("401 no", is_refused=True))

    with caplog.at_level("ERROR", logger="mcp_guard.audit.ship"):
        Shipper(SIEM, deliveries).step(NOW, 0.0)

    assert caplog.messages == ["siem takes no events: 401 no"]
    assert (shipment().seq, shipment().last_error) == (0, "401 no")
    assert shipment().next_at == NOW + timedelta(seconds=REFUSED_WAIT)


def test_a_refused_batch_is_halved_until_the_event_is_found(collector, destination):
    seal(9)
    seal(subject="poison")
    seal(5)
    collector.mode = "without poison"

    steps = drain(shipper := Shipper(destination))

    assert [event["event"]["sequence"] for event in collector.taken] == [*range(1, 10)]
    assert sum(step.events for step in steps) == 9
    assert (shipment().seq, shipment().last_error) == (9, "event 10: 400 bad event")
    lease = outbox.claim(destination, shipper.holder, NOW, even_early=True)
    outbox.skip(lease, NOW, "jo")
    drain(shipper)
    assert [event["event"]["sequence"] for event in collector.taken][9:] == [*range(11, 16)]
    [skipped] = AuditEvent.objects.filter(tag="audit:skip")
    assert (skipped.subject, skipped.actor_label, skipped.count) == ("siem", "jo", 1)
    assert skipped.details == {"from": 10, "to": 10}


def test_a_batch_that_is_too_large_for_the_collector_gets_smaller(collector, destination):
    seal(30)
    collector.mode = "at-most 3"

    drain(Shipper(destination))

    assert [event["event"]["sequence"] for event in collector.taken] == [*range(1, 31)]


def test_a_batch_is_bounded_in_bytes():
    seal(200, details={"text": "x" * 8000})
    deliveries = Deliveries()

    drain(Shipper(replace(SIEM, batch=500), deliveries))

    assert sum(deliveries.sizes) == 200
    assert len(deliveries.sizes) > 1
    assert all(sum(map(len, batch)) <= MAX_BYTES for batch in deliveries.batches)


def test_only_chosen_events_are_shipped_and_the_watermark_passes_the_others():
    seal(3)
    seal(2, tag="token:revoke", category="token")
    seal(3)
    deliveries = Deliveries()

    drain(Shipper(replace(SIEM, events=(Rule(tag="token:*"),)), deliveries))

    assert deliveries.sizes == [2]
    assert shipment().seq == 8


def test_only_alerts_are_shipped_where_only_alerts_are_wanted():
    seal(3)
    seal(1, tag="token:revoke", category="token")
    deliveries = Deliveries()

    with override_settings(MCP_GUARD={"ALERT_ON": [{"tag": "token:revoke"}]}):
        drain(Shipper(replace(SIEM, alerts_only=True), deliveries))

    assert deliveries.sizes == [1]
    assert b'"kind":"alert"' in deliveries.batches[0][0]


def test_one_ships_at_a_time():
    seal(3)
    first = outbox.claim(SIEM, "first", NOW)

    assert first is not None
    assert outbox.claim(SIEM, "second", NOW) is None
    assert outbox.claim(SIEM, "first", NOW) is not None
    over = NOW + timedelta(seconds=SIEM.timeout) + outbox.LEASE_MARGIN + timedelta(seconds=1)
    assert outbox.claim(SIEM, "second", over) is not None


def test_one_that_lost_its_lease_moves_no_watermark():
    seal(3)
    late = outbox.claim(SIEM, "late", NOW)
    over = NOW + timedelta(minutes=5)
    quick = outbox.claim(SIEM, "quick", over)
    assert late is not None
    assert quick is not None

    assert outbox.advance(quick, 3, over)
    assert not outbox.advance(late, 2, over)
    outbox.give_up(late, "late", over)

    assert (shipment().seq, shipment().last_error) == (3, "")


def test_a_lease_that_somebody_else_took_is_of_no_use():
    seal(3)
    late = outbox.claim(SIEM, "late", NOW)
    assert late is not None
    assert outbox.claim(SIEM, "quick", NOW + timedelta(minutes=5)) is not None

    assert not outbox.advance(late, 3, NOW)
    assert shipment().seq == 0


def test_the_watermark_never_moves_back():
    seal(3)
    lease = outbox.claim(SIEM, "one", NOW)
    assert lease is not None

    assert outbox.advance(lease, 3, NOW)
    assert not outbox.advance(lease, 2, NOW)
    assert shipment().seq == 3


def test_two_shippers_take_turns_without_a_loss_or_a_double():
    seal(50)
    deliveries = Deliveries()
    both = [Shipper(SIEM, deliveries), Shipper(SIEM, deliveries)]

    while sum(each.step(NOW, 0.5).events for each in both):
        pass

    assert deliveries.sizes == [10] * 5
    assert len({text for batch in deliveries.batches for text in batch}) == 50


def test_a_new_destination_gets_everything_that_is_still_there():
    seal(10)
    prune(4)
    deliveries = Deliveries()

    drain(Shipper(SIEM, deliveries))

    assert sum(deliveries.sizes) == 6
    assert not AuditEvent.objects.filter(tag="audit:gap").exists()


@pytest.mark.parametrize("left", [3, 0])
def test_what_was_pruned_before_it_was_shipped_is_recorded_exactly(left, caplog):
    seal(2)
    deliveries = Deliveries()
    shipper = Shipper(SIEM, deliveries)
    drain(shipper)
    seal(7 + left)
    prune(9)

    drain(shipper)

    [gap] = AuditEvent.objects.filter(tag="audit:gap")
    assert gap.details == {"from": 3, "to": 9, "pruned": 7}
    assert (gap.count, gap.subject, gap.outcome, gap.category) == (7, "siem", "not shipped", "audit")
    assert sum(deliveries.sizes) == 2 + left
    assert shipment().seq == 9 + left
    assert "7 events were gone before they were shipped to siem" in caplog.messages


def test_what_the_bound_on_rows_takes_is_counted_alike_by_pruning_and_by_shipping():
    seal(4)
    shipper = Shipper(SIEM, Deliveries())
    drain(shipper)
    seal(20)
    with override_settings(MCP_GUARD={"SHIP": {"siem": {"url": SIEM.url}}}):
        assert prune_all(Bounds(before=NOW + timedelta(days=1)), "cron") == 4  # those that were shipped
        assert prune_all(Bounds(rows=5), "cron") == 15

    drain(shipper)

    [gap] = AuditEvent.objects.filter(tag="audit:gap")
    unshipped = [event.details["unshipped"] for event in AuditEvent.objects.filter(tag="audit:prune")]
    assert sum(unshipped) == gap.count == 15
    assert gap.details == {"from": 5, "to": 19, "pruned": 15}


def test_a_row_that_somebody_removed_holds_nothing_up_and_is_recorded():
    seal(9)
    remove([4, 5])
    deliveries = Deliveries()

    drain(Shipper(SIEM, deliveries))

    [gap] = AuditEvent.objects.filter(tag="audit:gap")
    assert gap.details == {"from": 4, "to": 5, "pruned": 0}
    assert sum(deliveries.sizes) == 7


def test_once_ships_all_whatever_the_back_off_says():
    seal(25)
    deliveries = Deliveries(Undelivered("503"))
    shipper = Shipper(SIEM, deliveries)

    first, second = shippers.once(shipper), shippers.once(shipper)

    assert (first.came, first.events, first.error) == (Came.FAILED, 0, "503")
    assert (second.came, second.events) == (Came.NOTHING, 25)


def test_the_event_is_the_same_before_and_after_it_is_sealed():
    event = AuditEvent.objects.create(tag="client:add", subject="x")
    other = AuditEvent.objects.create(tag="client:add", subject="x", at=event.at)
    before = identifier(event)

    seal()

    sealed = AuditEvent.objects.get(pk=event.pk)
    assert sealed.seq is not None
    assert identifier(sealed) == before
    assert identifier(other) != before
