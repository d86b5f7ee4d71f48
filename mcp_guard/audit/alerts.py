"""How much an event weighs: whether it alerts, whether it failed, and what follows from that.

``alerted`` is sent for each event that ``ALERT_ON`` chooses, and for each violation of a confinement, once,
by the process that recorded it. Receivers get ``event`` (the row). They run where the event is recorded, so
a slow one hands its work over.
"""

from __future__ import annotations

import logging
from typing import Final, Literal, NamedTuple

from django.dispatch import Signal

from mcp_guard import conf
from mcp_guard.models import AuditEvent

alerted: Final = Signal()
"""Sent with ``send_robust``; the sender is ``AuditEvent``."""

ALERT: Final = 8
FAILURE: Final = 5
ORDINARY: Final = 3

_FAILING: Final = (AuditEvent.Category.AUTHENTICATION, AuditEvent.Category.REFUSAL)
"""Categories whose events are failures unless their outcome says something else."""

_SUCCESSES: Final = ("ok", "answered", "left", "closed", "sound", "stopped")
"""Outcomes of calls, sockets, verifications and processes that are no failures; every other one is."""

VIOLATION: Final = "server:violation"
"""What an event is tagged with that tells of a process which broke a bound of its confinement."""

_LET_IN: Final = "would_refuse"
_LOST: Final = "audit:lost"


class Weight(NamedTuple):
    """What follows from an event; ``severity`` is from 0 to 10."""

    alerts: bool
    is_failure: bool
    severity: int
    level: Literal["info", "warning", "error"]

    @property
    def logging_level(self) -> int:
        """The level of its log line."""
        return int(getattr(logging, self.level.upper()))


def weight(event: AuditEvent) -> Weight:
    """Return how much an event weighs, by the setting as it is now."""
    is_failure = has_failed(event)
    if alerts(event):
        return Weight(alerts=True, is_failure=is_failure, severity=ALERT, level="error")
    if is_failure:
        return Weight(alerts=False, is_failure=True, severity=FAILURE, level="warning")
    return Weight(alerts=False, is_failure=False, severity=ORDINARY, level="info")


def alerts(event: AuditEvent) -> bool:
    """Return whether ``ALERT_ON`` chooses the event, or it tells of a violation."""
    rules = conf.parse().alert_on
    chosen = any(rule.chooses(str(event.category), event.tag, event.outcome) for rule in rules)
    return chosen or event.tag == VIOLATION


def has_failed(event: AuditEvent) -> bool:
    """Return whether the event tells of something that was refused, failed or got lost."""
    if event.tag in (_LET_IN, _LOST):
        return event.tag == _LOST
    if not event.outcome:
        return event.category in _FAILING
    return event.outcome not in _SUCCESSES
