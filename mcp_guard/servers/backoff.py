"""How long a server that keeps failing is left alone: twice as long after each failure, up to a bound."""

from __future__ import annotations

from typing import Final

FIRST_SECONDS: Final = 0.5
"""How long after the first failure."""

LONGEST_SECONDS: Final = 300.0
"""How long at most."""

SOUND_SECONDS: Final = 60.0
"""A process that lived this long was sound: what came before it is forgotten."""


class Backoff:
    """The failures of one server in a row. Times are monotonic seconds."""

    def __init__(self) -> None:
        self.failures = 0
        self._until = 0.0

    def failed(self, lived: float, now: float) -> None:
        """Note that a process failed after it had lived for some seconds."""
        self.failures = 1 if lived >= SOUND_SECONDS else self.failures + 1
        self._until = now + min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** min(self.failures - 1, 20))

    def ended(self, lived: float) -> None:
        """Note that a process ended as it should, after it had lived for some seconds."""
        if lived >= SOUND_SECONDS:
            self.failures = 0

    def wait(self, now: float) -> float:
        """Return for how many seconds no process may be started; 0 when one may."""
        return max(0.0, self._until - now) if self.failures else 0.0
