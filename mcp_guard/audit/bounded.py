"""Make what a stranger sent fit into a row: cut, without token texts, and harmless to whoever shows it."""

from __future__ import annotations

import re
from typing import Any, Final

from mcp_guard.audit.redact import redacted

MAX_TEXT: Final = 500
"""Longest text inside of the details of an event, in characters."""

MAX_ITEMS: Final = 50
"""How many members of an object or array are kept."""

MAX_DEPTH: Final = 4
"""How deep objects and arrays may lie within one another."""

MAX_VALUES: Final = 200
"""How many values the details of one event have at most."""

CUT: Final = "…"
"""What stands for everything that was cut off."""

_LARGEST: Final = 2**63


def text(value: str, length: int) -> str:
    """Return a text of at most ``length`` characters, token texts masked and control characters escaped."""
    escaped = redacted(value[: length + 100])
    return escaped if len(escaped) <= length else escaped[: length - 1] + CUT


HIDDEN: Final = "[redacted]"
"""What stands for the value of a member that must not be kept."""


def bounded(values: dict[str, Any], hidden: re.Pattern[str] | None = None) -> dict[str, Any]:
    """Return a JSON object with all of that, and with bounds on its depth and on the number of values.

    Members whose name ``hidden`` finds something in keep their name alone.
    """
    kept: dict[str, Any] = _Bounds(hidden).apply(values, 0)
    return kept


class _Bounds:
    def __init__(self, hidden: re.Pattern[str] | None) -> None:
        self._hidden = hidden
        self._left = MAX_VALUES

    def apply(self, value: Any, depth: int) -> Any:
        self._left -= 1
        match value:
            case str():
                return text(value, MAX_TEXT)
            case None | bool():
                return value
            case int():
                return value if -_LARGEST < value < _LARGEST else f"integer of {value.bit_length()} bits"
            case float():
                return value if value - value == 0 else repr(value)  # JSON has no infinity
            case dict() | list() | tuple() if depth >= MAX_DEPTH:
                return CUT
            case dict():
                return self._object(value, depth)
            case list() | tuple():
                return self._array(value, depth)
            case _:
                return text(str(value), MAX_TEXT)

    def _object(self, value: dict[Any, Any], depth: int) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for name, item in value.items():
            if len(kept) >= MAX_ITEMS or self._left <= 0:
                kept[CUT] = f"{len(value)} members"
                break
            is_hidden = self._hidden is not None and self._hidden.search(str(name))
            kept[text(str(name), 100)] = HIDDEN if is_hidden else self.apply(item, depth + 1)
        return kept

    def _array(self, value: list[Any] | tuple[Any, ...], depth: int) -> list[Any]:
        kept: list[Any] = []
        for item in value:
            if len(kept) >= MAX_ITEMS or self._left <= 0:
                kept.append(CUT)
                break
            kept.append(self.apply(item, depth + 1))
        return kept
