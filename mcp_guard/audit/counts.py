"""Count decisions, exactly, by endpoint, exchange and outcome: three closed sets, so never many."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from typing import Final

Key = tuple[str, str, str]
"""Name of the endpoint, exchange, and an outcome.

That is ADMITTED, PREFLIGHT, the reason of a refusal, or WOULD_REFUSE and a reason for what report-only let
in, which counts as ADMITTED besides.
"""

ADMITTED: Final = "admitted"
PREFLIGHT: Final = "preflight"
WOULD_REFUSE: Final = "would_refuse:"


class Count:
    """One counter. ``add`` counts one, in a single step of the interpreter, which needs no lock."""

    __slots__ = ("_start", "add")

    def __init__(self) -> None:
        self.add: Callable[[], int] = itertools.count().__next__
        self._start = 0

    def value(self) -> int:
        """Return how often ``add`` was called; one thread at a time may ask, as that takes a step, too."""
        value = self.add() - self._start
        self._start += 1
        return value

    def restart(self) -> None:
        """Begin again at zero."""
        self._start = self.add() + 1


class Counts:
    """The counters of one process."""

    def __init__(self) -> None:
        self._counts: dict[Key, Count] = {}
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        for count in self._counts.values():  # whoever keeps one goes on with it
            count.restart()

    def of(self, key: Key) -> Count:
        """Return the counter of a key, for whoever counts under it again and again."""
        found = self._counts.get(key)
        if found is None:
            with self._lock:
                found = self._counts.setdefault(key, Count())
        return found

    def count(self, endpoint: str, exchange: str, outcome: str) -> None:
        """Count one decision."""
        self.of((endpoint, exchange, outcome)).add()

    def count_as(self, key: Key) -> None:
        """Count one decision under a key that is kept."""
        self.of(key).add()

    def all(self) -> dict[Key, int]:
        """Return how often each outcome occurred since the process started."""
        with self._lock:
            values = {key: count.value() for key, count in self._counts.items()}
        return {key: value for key, value in values.items() if value}


decisions: Final = Counts()
"""The decisions of this process."""

os.register_at_fork(after_in_child=decisions._reset)  # noqa: SLF001 (a child is a process of its own)
