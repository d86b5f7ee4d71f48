"""What a process does now and then besides reading policy, on a thread where it delays no read of policy.

A session store that is slow, or a table that somebody has locked, must not make policy old.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Final

from django.db import connections

from mcp_guard.conf import config
from mcp_guard.live.connection import OwnConnections
from mcp_guard.live.refresher import Refresher

log = logging.getLogger("mcp_guard.live")

Errand = Callable[[], None]


class Errands:
    """The errands of one process, each of them run once in every poll interval."""

    def __init__(self) -> None:
        self._errands: list[Errand] = []
        self._reset()

    def _reset(self) -> None:
        self._connections = OwnConnections()
        self._runner = Refresher(
            "mcp_guard errands",
            self._run,
            interval=lambda: config().poll_interval,
            ended=connections.close_all,
            interrupt=self._connections.cut,
        )

    def add(self, errand: Errand) -> None:
        """Run an errand from the next interval on; what it raises keeps no other from running."""
        self._errands.append(errand)

    def start(self) -> None:
        """Start the thread if it does not run."""
        self._runner.start()

    def stop(self) -> None:
        """End the thread."""
        self._runner.stop()

    def interrupt_if_hanging(self) -> None:
        """Make an errand fail that waits for the database for too long."""
        self._runner.interrupt_if_hanging()

    def _run(self, _source: str) -> None:
        self._connections.take()
        for errand in self._errands:
            try:
                errand()
            except Exception as error:  # noqa: BLE001 (an errand may fail in any way)
                log.info("%s failed: %s", errand.__qualname__, type(error).__name__)
        connections.close_all()


errands: Final = Errands()
"""The errands of this process."""

os.register_at_fork(after_in_child=errands._reset)  # noqa: SLF001 (a thread does not survive a fork)
