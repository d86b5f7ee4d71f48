"""What a process does now and then besides reading policy, on threads where it delays no read of policy.

A session store that is slow, or a table that somebody has locked, must not make policy old; and writing
down what was seen must not keep a log-out from being noticed. Hence two threads.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import Final

from django.db import connections

from mcp_guard.conf import config
from mcp_guard.live.connection import OwnConnections
from mcp_guard.live.refresher import WAIT_SECONDS, Refresher

log = logging.getLogger("mcp_guard.live")

END_SECONDS: Final = 10.0
"""How long the end of a process waits at most until what it saw is written down."""

REPEAT_SECONDS: Final = 300.0
"""After how long it is said again that an errand fails."""

Errand = Callable[[], bool | None]
"""Returns True when the next one will need the database for certain."""


class Failing:
    """The errands that fail, and when that was last said: at first, now and then, and when it is over."""

    def __init__(self) -> None:
        self._said: dict[Errand, float] = {}

    def failed(self, errand: Errand, error: Exception, now: float) -> None:
        """Warn that an errand failed, at its first failure and again after a while; ``now`` is in seconds."""
        is_due = errand not in self._said or now - self._said[errand] >= REPEAT_SECONDS
        if is_due:
            self._said[errand] = now
        level = logging.WARNING if is_due else logging.DEBUG
        log.log(level, "%s failed: %s", _name(errand), type(error).__name__)

    def succeeded(self, errand: Errand) -> None:
        """Say that an errand which failed works again."""
        if self._said.pop(errand, None) is not None:
            log.warning("%s works again", _name(errand))


def _name(errand: Errand) -> str:
    return str(getattr(errand, "__qualname__", type(errand).__name__))


class Errands:
    """Errands of one process on one thread, each of them run once in every poll interval."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._errands: list[Errand] = []
        self._last: list[Errand] = []
        self._reset()

    def _reset(self) -> None:
        self._failing = Failing()
        self._connections = OwnConnections()
        self._runner = Refresher(
            self._name,
            self._run,
            interval=lambda: config().poll_interval,
            ended=self._end,
            interrupt=self._connections.cut,
        )

    def add(self, errand: Errand) -> None:
        """Run an errand from the next interval on; what it raises keeps no other from running."""
        self._errands.append(errand)

    def add_last(self, errand: Errand) -> None:
        """Run an errand once when the thread ends in good order."""
        self._last.append(errand)

    def start(self) -> None:
        """Start the thread if it does not run."""
        self._runner.start()

    def stop(self, seconds: float = WAIT_SECONDS) -> None:
        """End the thread, waiting for its last errands within a time."""
        self._runner.stop(seconds)

    def interrupt_if_hanging(self) -> None:
        """Make an errand fail that waits for the database for too long."""
        self._runner.interrupt_if_hanging()

    def _run(self, _source: str) -> None:
        self._connections.take()
        if not self._run_each(self._errands):
            connections.close_all()

    def _end(self) -> None:
        if self._last:
            self._connections.take()
            self._run_each(self._last)
        connections.close_all()

    def _run_each(self, errands: list[Errand]) -> bool:
        """Return whether the connection is worth keeping: it will be needed, and nothing failed."""
        has_failed, is_needed = False, False
        for errand in errands:
            try:
                is_needed = bool(errand()) or is_needed
            except Exception as error:  # noqa: BLE001 (an errand may fail in any way)
                has_failed = True
                self._failing.failed(errand, error, time.monotonic())
            else:
                self._failing.succeeded(errand)
        return is_needed and not has_failed


errands: Final = Errands("mcp_guard errands")
"""What open connections depend on: log-outs, deactivated users, the heartbeat."""

recording: Final = Errands("mcp_guard recording")
"""Writing down what this process saw: refusals, uses, counts, events. Nothing waits for it."""

for _each in (errands, recording):
    os.register_at_fork(after_in_child=_each._reset)  # noqa: SLF001 (a thread does not survive a fork)
