"""What reached the guarded applications of this process, in order."""

from __future__ import annotations

from typing import Final

ran: Final[list[str]] = []


def note(label: str | None) -> None:
    """Note that something ran; exchanges without a label are of no interest."""
    if label:
        ran.append(label)
