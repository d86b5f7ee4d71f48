"""Say now and then how this process is: one row for each, which never raises the revision."""

from __future__ import annotations

import os
import socket
import time
import uuid
from datetime import timedelta
from typing import Any, Final

from django.db import router
from django.utils import timezone

from mcp_guard.live.connections import connections
from mcp_guard.live.holder import holder
from mcp_guard.models import ProcessState, Revision

SECONDS: Final = 15.0
"""How often a process says how it is."""

FORGOTTEN_AFTER: Final = timedelta(hours=24)
"""After how long without a word a process is forgotten."""

MOST_CLIENTS: Final = 100
"""For how many clients the open connections are told, those with the most first."""


class Heartbeat:
    """The heartbeat of one process. ``id`` is that of its row."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self.id = uuid.uuid4()
        self._started_at = timezone.now()
        self._due = 0.0

    def beat(self) -> None:
        """Write the row if it is time."""
        now = time.monotonic()
        if holder.inline or now < self._due:
            return
        self._due = now + SECONDS
        rows = ProcessState.objects.using(router.db_for_write(Revision))
        state = self._state()
        # without a look first: SQLite refuses the write of a transaction that has read what changed since
        if not rows.filter(pk=self.id).update(**state):
            rows.create(pk=self.id, **state)
        rows.filter(seen_at__lt=timezone.now() - FORGOTTEN_AFTER).delete()

    def _state(self) -> dict[str, Any]:
        """Return how this process is, as its row has it."""
        return {
            "host": socket.gethostname()[:120],
            "pid": os.getpid(),
            "started_at": self._started_at,
            "seen_at": timezone.now(),
            "revision": max(holder.snapshot.revision, 0),
            "age": min(holder.age, 1e6),
            "source": holder.source[:20],
            "connections": _busiest(connections.by_client()),
        }


def _busiest(counts: dict[str, int]) -> dict[str, int]:
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return dict(most[:MOST_CLIENTS])


heartbeat: Final = Heartbeat()
"""The heartbeat of this process."""

os.register_at_fork(after_in_child=heartbeat._reset)  # noqa: SLF001 (a child is a process of its own)
