"""Correlation ids: under what an administrator finds the refusal that somebody tells of.

Each is random, from the system, which is asked for a block of them at a time: it answers more slowly than a
refusal. Blocks are small, as what a copy of a frozen process has left of one, the original has too.
"""

from __future__ import annotations

import os
from typing import Final

from mcp_guard.policy.reply import ID_LENGTH

BLOCK: Final = 64
"""How many are drawn at once."""


class CorrelationIds:
    """The ids that one process has drawn and not used yet."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Use none of those that were drawn."""
        self._drawn: list[str] = []

    def take(self) -> str:
        """Return an id that nobody else gets; threads may ask at once."""
        try:
            return self._drawn.pop()
        except IndexError:
            digits = os.urandom(BLOCK * ID_LENGTH // 2).hex()
        drawn = [digits[start : start + ID_LENGTH] for start in range(0, len(digits), ID_LENGTH)]
        taken = drawn.pop()
        self._drawn = drawn  # what another thread has drawn meanwhile is never used
        return taken


correlation_ids: Final = CorrelationIds()
"""The ids of this process."""

os.register_at_fork(after_in_child=correlation_ids.forget)  # the parent goes on to use them
