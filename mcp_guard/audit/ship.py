"""Ship sealed audit events to one collector: batch by batch, at least once, with back-off.

A step does what there is to do now and says what came of it. Time and chance are passed in.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from mcp_guard.audit import outbox
from mcp_guard.audit.delivery import Deliver, Undelivered
from mcp_guard.audit.outbox import Batch, Lease
from mcp_guard.conf.destinations import Destination, Protocol
from mcp_guard.models import AuditEvent

log = logging.getLogger("mcp_guard.audit.ship")

MAX_BYTES: Final = 900_000
"""Largest batch in bytes; a proxy before the collector commonly takes a million."""

LONGEST_WAIT: Final = 60.0
"""Most seconds between two attempts while the collector cannot be reached or fails."""

REFUSED_WAIT: Final = 300.0
"""Seconds between two attempts while the collector refuses what it gets; somebody has to change something."""


class Came(Enum):
    """What came of one step."""

    NOTHING = "nothing to ship, or not now"
    SHIPPED = "shipped"
    AGAIN = "to be tried with fewer events"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what came of it, how many events were shipped, and the error of a failure."""

    came: Came
    events: int = 0
    error: str = ""


class Shipper:
    """Ships to one destination. Several may run for the same one: they take turns."""

    def __init__(self, destination: Destination, deliver: Deliver | None = None) -> None:
        self.destination = destination
        self._deliver = deliver or deliverer(destination)
        self.holder = uuid.uuid4().hex
        self._limit = destination.batch

    def step(self, now: datetime, chance: float, *, even_early: bool = False) -> Step:
        """Ship one batch if there is one. ``chance`` is from 0 to 1; ``even_early`` ignores the back-off."""
        lease = outbox.claim(self.destination, self.holder, now, even_early=even_early)
        if lease is None:
            return Step(Came.NOTHING)
        found = outbox.batch(lease, self._limit)
        if found is None:
            return self._pass_gap(lease, now)
        events, texts, last = _fitting(found, self.destination.protocol)
        try:
            if texts:
                self._deliver(texts)
        except Undelivered as error:
            return self._failed(lease, events, error, now, chance)
        except Exception as error:
            log.exception("shipping to %s failed", self.destination.name)
            return self._failed(lease, events, Undelivered(type(error).__name__), now, chance)
        self._limit = min(self.destination.batch, self._limit * 2)
        outbox.advance(lease, last, now)
        return Step(Came.SHIPPED, len(texts))

    def _pass_gap(self, lease: Lease, now: datetime) -> Step:
        gone = outbox.pass_gap(lease, now)
        if gone:
            log.error("%s events were gone before they were shipped to %s", gone, self.destination.name)
        return Step(Came.SHIPPED if gone else Came.NOTHING)

    def _failed(
        self, lease: Lease, events: Sequence[AuditEvent], error: Undelivered, now: datetime, chance: float
    ) -> Step:
        if error.may_fit and len(events) > 1:
            self._limit = max(1, len(events) // 2)
            outbox.give_up(lease, str(error), None)
            return Step(Came.AGAIN)
        text = f"event {events[0].seq}: {error}" if error.may_fit else str(error)
        wait = timedelta(seconds=max(backoff(lease.failures, chance, error), error.retry_after))
        outbox.give_up(lease, text[:200], now + wait)
        level = logging.ERROR if error.is_refused else logging.WARNING
        log.log(level, "%s takes no events: %s", self.destination.name, text)
        return Step(Came.FAILED, 0, text)


def backoff(failures: int, chance: float, error: Undelivered) -> float:
    """Return how many seconds to wait after so many failures in a row before this one.

    Twice as long each time, from one second on; by chance up to half of it less, so that shippers of
    many sites do not come back all at once.
    """
    wait = REFUSED_WAIT if error.is_refused else min(LONGEST_WAIT, 2.0 ** min(failures, 10))
    return wait * (1 - chance / 2)


def deliverer(destination: Destination) -> Deliver:
    """Return what hands events over to a destination.

    Raises:
        ImportError: when it takes HTTPS and the extra ``siem`` is not installed.
    """
    if destination.protocol.is_http:
        from mcp_guard.audit import https  # noqa: PLC0415 (an extra)

        return lambda texts: https.post(destination, texts)
    from mcp_guard.audit import syslog  # noqa: PLC0415

    return lambda texts: syslog.send(destination, texts)


def _fitting(found: Batch, protocol: Protocol) -> tuple[list[AuditEvent], list[bytes], int]:
    """Return the events that fit into one delivery, their texts, and up to which number that is."""
    from mcp_guard.audit import cef, ecs  # noqa: PLC0415

    texts: list[bytes] = []
    size = 0
    for index, event in enumerate(found.events):
        text = ecs.line(event).encode() if protocol.is_http else cef.message(event)
        size += len(text)
        if texts and size > MAX_BYTES:
            return found.events[:index], texts, (event.seq or 0) - 1
        texts.append(text)
    return found.events, texts, found.last
