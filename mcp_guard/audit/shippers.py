"""Run the shippers of all destinations: as a service, each on a thread of its own, or once."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Sequence
from typing import Final

from django.db import connections
from django.utils import timezone

from mcp_guard.audit import seal
from mcp_guard.audit.ship import Came, Shipper, Step
from mcp_guard.live.connection import OwnConnections

log = logging.getLogger("mcp_guard.audit.ship")

PAUSE: Final = 1.0
"""Seconds between two looks at an outbox in which there was nothing to ship."""


def serve(shippers: Sequence[Shipper], stop: threading.Event) -> None:
    """Ship until ``stop`` is set, and return when every shipper has ended the batch it was at."""
    threads = [
        threading.Thread(target=_serve, args=(each, stop), name=f"mcp_guard ship {each.destination.name}")
        for each in shippers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(PAUSE)  # with a limit, so that a signal is seen at once


def once(shipper: Shipper) -> Step:
    """Ship all that is sealed, whatever the back-off says, and return how many events that were.

    It ends with the first failure. What comes in meanwhile is shipped too. A chain that must not be continued
    is a failure in the end, after all that was sealed before.
    """
    shipped = 0
    unsealed = _seal()
    while True:
        step = shipper.step(timezone.now(), random.random(), even_early=True)  # noqa: S311 (no secret)
        shipped += step.events
        if step.came in (Came.NOTHING, Came.FAILED):
            error = "; ".join(filter(None, [step.error, unsealed]))
            return Step(Came.FAILED if error else step.came, shipped, error)


def _seal() -> str:
    """Seal what processes left that have ended since, so that it is shipped, too; return why that failed."""
    try:
        seal.seal_all()
    except seal.NotAuthentic as error:
        log.error("nothing more is sealed: %s", error)  # noqa: TRY400 (no traceback)
        return f"nothing more is sealed: {error}"
    return ""


def _serve(shipper: Shipper, stop: threading.Event) -> None:
    own = OwnConnections()
    while not stop.is_set():
        try:
            own.take()
            seal.run()
            step = shipper.step(timezone.now(), random.random())  # noqa: S311 (no secret)
        except Exception as error:  # noqa: BLE001 (the database may fail in any way)
            log.warning("the outbox of %s failed: %s", shipper.destination.name, type(error).__name__)
            connections.close_all()
            step = Step(Came.FAILED)
        if step.came in (Came.NOTHING, Came.FAILED):
            stop.wait(PAUSE)
    connections.close_all()
