"""How often something may happen: arithmetic over a time that is passed in."""

from __future__ import annotations

from array import array
from hashlib import blake2b
from typing import Final

ROWS: Final = 4
"""In how many places one key is counted; the least of them is the estimate, which is never too low."""

CELLS: Final = 2048
"""How many places there are for each; the memory is the same however many keys there are."""


class Bucket:
    """How much may still happen at once. It refills steadily up to what was allowed at once."""

    __slots__ = ("_at", "_left")

    def __init__(self, burst: float, now: float) -> None:
        self._left = float(burst)
        self._at = now

    def take(self, now: float, per_second: float, burst: float) -> bool:
        """Return whether one more may happen now, and count it if so; times are in seconds."""
        left, passed = self._left, now - self._at
        if passed > 0.0:
            left += passed * per_second
        left = min(burst, left)
        self._at = now
        if left < 1.0:
            self._left = left
            return False
        self._left = left - 1.0
        return True


class Failures:
    """How often each key failed lately, in constant memory (a count-min sketch of leaking counters).

    Two keys may share all their places by chance, and then count as one. The salt keeps a stranger from
    choosing keys that do.
    """

    def __init__(self, salt: bytes) -> None:
        self._salt = salt
        self._levels = array("d", bytes(8 * ROWS * CELLS))
        self._times = array("d", bytes(8 * ROWS * CELLS))

    def add(self, key: bytes, now: float, per_minute: int) -> float:
        """Count a failure and return for how many seconds its party is to wait, 0 within the bound.

        So many failures are within it at once, and as many in each minute after that.
        """
        cells = self._cells(key)
        leak = per_minute / 60
        levels = [self._level(cell, now, leak) for cell in cells]
        level = min(levels)
        raised = min(level + 1.0, float(per_minute))  # beyond the bound, trying costs no further wait
        for cell, before in zip(cells, levels, strict=True):
            self._levels[cell] = max(raised, before)
            self._times[cell] = now
        return max(0.0, level + 1.0 - per_minute) / leak

    def _level(self, cell: int, now: float, leak: float) -> float:
        return max(0.0, self._levels[cell] - max(0.0, now - self._times[cell]) * leak)

    def _cells(self, key: bytes) -> list[int]:
        digest = blake2b(key, digest_size=4 * ROWS, key=self._salt).digest()
        return [row * CELLS + int.from_bytes(digest[4 * row : 4 * row + 4]) % CELLS for row in range(ROWS)]
