"""Lengths and moments as operators write them: ``30d``, ``2030-01-31``, ``2030-01-31T12:00Z``."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_UNITS: Final = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_LENGTH = re.compile(r"([0-9]{1,6})([mhdw])")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def length_of(text: str) -> timedelta | None:
    """Return the length of ``45m``, ``12h``, ``30d`` or ``2w``, None for anything else."""
    found = _LENGTH.fullmatch(text)
    return int(found[1]) * _UNITS[found[2]] if found else None


def moment_of(text: str, now: datetime) -> datetime | None:
    """Return the moment that a text names, in UTC; None for one that names none.

    That is the end of a length from ``now``, an ISO 8601 time with its offset, or the first moment of a date
    in UTC. A time without an offset names none: where it was written nobody knows.
    """
    try:
        length = length_of(text)
        if length is not None:
            return now + length
        moment = datetime.fromisoformat(text)
        if _DATE.fullmatch(text):
            return moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
