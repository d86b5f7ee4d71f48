"""How long changes of policy took from their commit to this process, as a histogram."""

from __future__ import annotations

import threading
from typing import Final

BOUNDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Upper bounds of the buckets, in seconds; one more holds what took longer."""


class Delays:
    """The delays of one process."""

    def __init__(self) -> None:
        self._buckets = [0] * (len(BOUNDS) + 1)
        self._sum = 0.0
        self._lock = threading.Lock()

    def observe(self, seconds: float) -> None:
        """Count one change that took this long."""
        bucket = sum(seconds > bound for bound in BOUNDS)
        with self._lock:
            self._buckets[bucket] += 1
            self._sum += seconds

    def read(self) -> tuple[list[int], float]:
        """Return the count of each bucket and the sum of all delays in seconds."""
        with self._lock:
            return list(self._buckets), self._sum
