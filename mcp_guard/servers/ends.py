"""Why the process of a registered server ended, and why one cannot be used."""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple


class End(Enum):
    """Why a process ended; the closed list that audit, screens and documentation use."""

    IDLE = "idle"
    MADE_ROOM = "made_room"
    CHANGED = "changed"
    SHUTDOWN = "shutdown"
    REFUSED = "refused"
    NOT_STARTED = "not_started"
    EXITED = "exited"
    HUNG = "hung"
    NOT_READING = "not_reading"
    LINE_TOO_LONG = "line_too_long"
    NOT_MESSAGES = "not_messages"
    VIOLATION = "violation"
    FAILED = "failed"


ORDERLY: Final = frozenset({End.IDLE, End.MADE_ROOM, End.CHANGED, End.SHUTDOWN})
"""Ends that this side decided on, and that nothing is wrong with."""


class Ending(NamedTuple):
    """How one process ended. ``violation`` is what it was killed for, where that is known."""

    end: End
    detail: str = ""
    violation: str = ""

    @property
    def is_orderly(self) -> bool:
        """Whether nothing went wrong."""
        return self.end in ORDERLY


class Why(Enum):
    """Why a registered server cannot be used now, as its caller is told."""

    UNKNOWN = "This server is not available"
    BACKING_OFF = "This server failed and is being left alone for a while"
    NOT_STARTED = "This server did not start"
    TOO_MANY = "Too many servers are running"
    WRONG_THREAD = "Registered servers need an event loop in the main thread of the process"
    STOPPING = "The service is shutting down"


class UnavailableError(Exception):
    """A registered server cannot be used now. ``retry_after`` is in seconds, 0 where nobody can say."""

    def __init__(self, why: Why, retry_after: float = 0.0) -> None:
        super().__init__(why.value)
        self.why = why
        self.retry_after = retry_after
