"""Count decisions, exactly, by endpoint, exchange and outcome: three closed sets, so never many."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from typing import Final

Key = tuple[str, str, str]
"""Name of the endpoint, exchange, and an outcome.

That is ADMITTED, PREFLIGHT, the reason of a refusal, or WOULD_REFUSE and a reason for what report-only let
in, which counts as ADMITTED besides.
"""

ADMITTED: Final = "admitted"
PREFLIGHT: Final = "preflight"
WOULD_REFUSE: Final = "would_refuse:"


class Counts:
    """The counters of one process."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._counts: defaultdict[Key, int] = defaultdict(int)
        self._lock = threading.Lock()

    def count(self, endpoint: str, exchange: str, outcome: str) -> None:
        """Count one decision."""
        self.count_as((endpoint, exchange, outcome))

    def count_as(self, key: Key) -> None:
        """Count one decision under a key that is kept."""
        with self._lock:
            self._counts[key] += 1

    def all(self) -> dict[Key, int]:
        """Return how often each outcome occurred since the process started."""
        with self._lock:
            return dict(self._counts)


decisions: Final = Counts()
"""The decisions of this process."""

os.register_at_fork(after_in_child=decisions._reset)  # noqa: SLF001 (a child is a process of its own)
