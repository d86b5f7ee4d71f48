"""Write down what the processes of registered servers do, so that every screen and command can show it.

One row for each place that a process of the portal remembers; an errand of the thread that records.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from django.db import router, transaction
from django.utils import timezone

from mcp_guard.audit.bounded import text
from mcp_guard.live.heartbeat import FORGOTTEN_AFTER, heartbeat
from mcp_guard.live.holder import holder
from mcp_guard.models import Revision, ServerRun
from mcp_guard.servers import pools
from mcp_guard.servers.slot import Slot

SECONDS: Final = 2.0
"""How often what changed is written down."""

SAY_SECONDS: Final = 15.0
"""How often is said of what did not change that it is still so."""

State = ServerRun.State


class Written(NamedTuple):
    """What was written of a place last, and when, in monotonic seconds."""

    values: dict[str, Any]
    version: int
    at: float


class Record:
    """The rows of one process of the portal."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew, as in a process that was forked."""
        self._written: dict[str, Written] = {}
        self._due = 0.0

    def write(self) -> None:
        """Write down what changed, if it is time."""
        now = time.monotonic()
        if not holder.inline and now >= self._due:
            self._due = now + SECONDS
            self.write_now()

    def write_now(self) -> None:
        """Write down what changed, and drop the rows of what is forgotten."""
        slots = {key_of(slot): slot for slot in pools.slots()}
        if not slots:  # none was used, or they have ended with the service
            return
        alias, now = router.db_for_write(Revision), time.monotonic()
        with transaction.atomic(using=alias):
            for key, slot in slots.items():
                self._write(alias, key, slot, now)
            self._prune(alias, slots.keys())

    def write_last(self) -> None:
        """Say that the processes have ended with this one of the portal."""
        if self._written:
            self.write_now()
            rows = ServerRun.objects.using(router.db_for_write(Revision)).filter(process=heartbeat.id)
            rows.exclude(state=State.ENDED).update(state=State.ENDED, open_calls=0)

    def _write(self, alias: str, key: str, slot: Slot, now: float) -> None:
        version, values = slot.tail.version, _values(slot)
        before = self._written.get(key)
        is_quiet = before is not None and before.version == version
        if before is not None and is_quiet and before.values == values and now - before.at < SAY_SECONDS:
            return
        tail = {} if is_quiet else {"tail": slot.tail.text()}
        rows, known = ServerRun.objects.using(alias), {"process": heartbeat.id, "key": key}
        state = {**values, **tail, **_counts(slot), **_place()}
        # without a look first: SQLite refuses the write of a transaction that has read what changed since
        if not rows.filter(**known).update(**state):
            rows.create(**known, **state)
        self._written[key] = Written(values, version, now)

    def _prune(self, alias: str, keys: Collection[str]) -> None:
        """Drop the rows of places that are forgotten, and of processes of the portal that are."""
        rows = ServerRun.objects.using(alias)
        gone = [key for key in self._written if key not in keys]
        for key in gone:
            del self._written[key]
        if gone:
            rows.filter(process=heartbeat.id, key__in=gone).delete()
        rows.filter(seen_at__lt=timezone.now() - FORGOTTEN_AFTER).delete()


def key_of(slot: Slot) -> str:
    """Return what tells the rows of one process apart."""
    server, identity = slot.party.key
    client, user = identity or ("", "")
    return f"{server}/{client}/{user}" if identity is not None else server


def _values(slot: Slot) -> dict[str, Any]:
    """Return what is written as soon as it changes."""
    run, last = slot.run, slot.last
    return {
        "server": slot.party.server[:63],
        "party": text(slot.party.label, 160),
        "state": _state(slot),
        "pid": run.pid if run is not None else 0,
        "started_at": None if run is None else _moment(run.started),
        "starts": slot.starts,
        "failures": slot.backoff.failures,
        "end": "" if last is None else last.end.value,
        "detail": "" if last is None else text(last.detail, 500),
        "violation": "" if last is None else last.violation[:20],
    }


def _state(slot: Slot) -> str:
    run = slot.run
    if run is None:
        return State.ENDED
    if run.is_stopping:
        return State.STOPPING
    return State.RUNNING if run.is_ready else State.STARTING


def _counts(slot: Slot) -> dict[str, Any]:
    """Return what changes with every call, which alone is no reason to write."""
    return {"calls": slot.calls, "open_calls": 0 if slot.run is None else slot.run.calls}


def _place() -> dict[str, Any]:
    return {"host": socket.gethostname()[:120], "portal_pid": os.getpid(), "seen_at": timezone.now()}


_OFFSET: Final = time.time() - time.monotonic()


def _moment(monotonic: float) -> datetime:
    """Return the time of a monotonic one, to the second, so that it stays the same."""
    return datetime.fromtimestamp(round(monotonic + _OFFSET), tz=timezone.get_default_timezone())


record: Final = Record()
"""The rows of this process of the portal."""

SILENT_AFTER: Final = timedelta(seconds=3 * SAY_SECONDS)
"""After how long without a word a row is of a process of the portal that is gone."""

os.register_at_fork(after_in_child=record.forget)
