"""Count decisions, exactly, by endpoint, exchange and outcome: three closed sets, so never many."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Final

Key = tuple[str, str, str]
"""Name of the endpoint, exchange, and ``admitted`` or the reason of a refusal."""


class Counts:
    """The counters of one process."""

    def __init__(self) -> None:
        self._counts: Counter[Key] = Counter()
        self._lock = threading.Lock()

    def count(self, endpoint: str, exchange: str, outcome: str) -> None:
        """Count one decision."""
        key = (endpoint, exchange, outcome)
        with self._lock:
            self._counts[key] += 1

    def all(self) -> dict[Key, int]:
        """Return how often each outcome occurred since the process started."""
        with self._lock:
            return dict(self._counts)


decisions: Final = Counts()
"""The decisions of this process."""
