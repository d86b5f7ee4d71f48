"""What a delivery to a collector is: the texts of some events, and how it fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mcp_guard.audit.redact import redacted

MAX_ERROR = 200
"""Longest text of a failure, in characters."""


class Undelivered(Exception):
    """A batch was not taken as a whole; nothing is known of its parts.

    ``is_refused``: the same batch is going to be refused again, until somebody changes something.
    ``may_fit``: a smaller batch may be taken. ``retry_after``: how many seconds the collector asks to wait.
    """

    def __init__(
        self, text: str, *, is_refused: bool = False, may_fit: bool = False, retry_after: float = 0.0
    ) -> None:
        super().__init__(redacted(" ".join(text.split()))[:MAX_ERROR])
        self.is_refused = is_refused
        self.may_fit = may_fit
        self.retry_after = retry_after


Deliver = Callable[[Sequence[bytes]], None]
"""Hands the texts of events to a collector and returns when it has them. Raises ``Undelivered``."""
