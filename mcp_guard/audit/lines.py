"""One log line for each audit event, and the signal for those that alert."""

from __future__ import annotations

import logging

from mcp_guard.audit.alerts import alerted, weight
from mcp_guard.audit.ecs import line
from mcp_guard.models import AuditEvent

log = logging.getLogger("mcp_guard.audit")


def write(event: AuditEvent) -> None:
    """Write an event as one line of ASCII JSON, and send ``alerted`` when it alerts; never raises.

    The level is ERROR for an alert, WARNING for a failure, INFO for everything else.
    """
    try:
        found = weight(event)
        if log.isEnabledFor(found.logging_level):
            log.log(found.logging_level, "%s", line(event))
        if found.alerts:
            alerted.send_robust(sender=AuditEvent, event=event)
    except Exception as error:  # noqa: BLE001 (what was recorded stays recorded, whatever its line met)
        log.error("an audit event has no line: %s", type(error).__name__)  # noqa: TRY400 (no values)
