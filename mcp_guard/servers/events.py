"""Record the beginning and the end of each process of a registered server, and what it was ended for."""

from __future__ import annotations

import logging
from typing import Any, Final

from mcp_guard.audit import events
from mcp_guard.audit.alerts import VIOLATION
from mcp_guard.audit.events import Category, Event
from mcp_guard.conf.servers import PREFIX
from mcp_guard.servers.ends import Ending
from mcp_guard.servers.party import Party

STARTED: Final = "server:started"
ENDED: Final = "server:ended"
STOPPED: Final = "stopped"
"""Outcome of a process that was ended here, and with which nothing was wrong."""

logger = logging.getLogger("mcp_guard.servers")


def started(party: Party) -> None:
    """Record that a process is started."""
    _put(party, STARTED, "", {})


def ended(party: Party, ending: Ending, seconds: float) -> None:
    """Record how a process ended after so many seconds, and which bound it broke."""
    details = {"seconds": round(seconds, 3), "end": ending.end.value, "detail": ending.detail}
    _put(party, ENDED, STOPPED if ending.is_orderly else ending.end.value, details)
    if ending.violation:
        _put(party, VIOLATION, ending.violation, {"detail": ending.detail})
    if not ending.is_orderly:
        logger.warning("a process of the registered server %s failed: %r", party.server, ending)


def _put(party: Party, tag: str, outcome: str, details: dict[str, Any]) -> None:
    events.put(
        Event(
            Category.SERVER,
            tag,
            subject=party.server,
            outcome=outcome,
            endpoint=f"{PREFIX}{party.server}",
            client=party.client,
            user_id=party.user_id,
            details=details,
        )
    )
