"""``audit ship``: hand sealed events over to collectors, and say how far behind they are."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from mcp_guard.audit import lag, outbox, shippers
from mcp_guard.audit.ship import Shipper
from mcp_guard.conf import config
from mcp_guard.conf.destinations import Destination
from mcp_guard.management.cli.arguments import SubParsers, declare_verb
from mcp_guard.management.cli.call import Answer, BadInput, Call
from mcp_guard.management.cli.text import iso, table

_COLUMNS = ("destination", "to", "events_behind", "oldest", "shipped_at", "failures", "next_at", "last_error")


def declare(verbs: SubParsers) -> None:
    """Add the verbs to the noun ``audit``."""
    ship = declare_verb(verbs, "ship", _ship, "hand sealed events over to collectors")
    ship.add_argument("name", metavar="destination", nargs="?", help="only this one")
    ship.add_argument("--once", action="store_true", help="ship what there is and end; for cron")
    ship.add_argument("--status", action="store_true", help="ship nothing, say how far behind they are")
    ship.add_argument(
        "--skip", metavar="SEQ", help="leave out this event, the next one, which the collector refuses"
    )


def _ship(call: Call) -> Answer:
    options = call.options
    chosen = _chosen(options.name)
    if options.status:
        return status(call)
    if options.skip is not None:
        return _skip(call, chosen)
    found = [_shipper(each) for each in chosen]
    if options.once:
        return _once(found)
    with _stopped_by_signals() as stop:
        shippers.serve(found, stop)
    return Answer({"ended": True}, ["ended"])


def _once(found: Sequence[Shipper]) -> Answer:
    steps = {each.destination.name: shippers.once(each) for each in found}
    data = [
        {"destination": name, "shipped": step.events, "error": step.error} for name, step in steps.items()
    ]
    lines = [f"{name}: {step.events} events shipped" for name, step in steps.items()]
    failed = [f"{name}: {step.error}" for name, step in steps.items() if step.error]
    return Answer(data, lines, failed, status=1 if failed else 0)


def _skip(call: Call, chosen: Sequence[Destination]) -> Answer:
    if len(chosen) != 1 or call.options.name is None:
        raise BadInput.in_field("destination", "say of which one")
    (destination,) = chosen
    lease = outbox.claim(destination, _shipper(destination).holder, call.now, even_early=True)
    if lease is None:
        raise BadInput.in_field("seq", "there is no event to leave out, or a shipper is at work")
    if call.options.skip != str(lease.seq + 1):
        outbox.release(lease)
        raise BadInput.in_field("seq", f"the next event is {lease.seq + 1}; only that one can be left out")
    outbox.skip(lease, call.now, call.actor.label)
    data = {"destination": destination.name, "skipped": lease.seq + 1}
    return Answer(data, [f"{destination.name}: event {lease.seq + 1} is left out"])


def status(call: Call) -> Answer:
    """Return how far each destination is behind."""
    rows = [_row(each) for each in lag.lags(call.now)]
    return Answer(rows, table(rows, _COLUMNS, empty="no destinations: MCP_GUARD['SHIP'] is empty"))


def _row(found: lag.Lag) -> dict[str, Any]:
    return {
        "destination": found.destination.name,
        "to": f"{found.destination.protocol.value}://{found.destination.host}:{found.destination.port}",
        "events_behind": found.events,
        "oldest": iso(found.oldest),
        "shipped_at": iso(found.row.shipped_at),
        "failures": found.row.failures,
        "next_at": iso(found.row.next_at),
        "last_error": found.row.last_error,
        "late": found.is_late,
    }


def _chosen(name: str | None) -> list[Destination]:
    declared = config().ship
    if name is None and declared:
        return list(declared.values())
    if name is None or name not in declared:
        known = ", ".join(sorted(declared)) or "none"
        raise BadInput.in_field("destination", f"MCP_GUARD['SHIP'] declares: {known}")
    return [declared[name]]


def _shipper(destination: Destination) -> Shipper:
    try:
        return Shipper(destination)
    except ImportError as error:
        raise BadInput(
            f"{destination.name} needs the extra siem, such as pip install 'mcp-guard[siem]'"
        ) from error


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM and SIGINT set: the batches that are on their way are ended in order."""
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
