"""Plain text for people: aligned columns and pairs that no stored string can break out of."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

GAP = "  "
"""What stands between two columns."""


def iso(moment: datetime | None) -> str | None:
    """Return a moment as ISO 8601 in UTC to the second, None as it is."""
    if moment is None:
        return None
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def escaped(text: str) -> str:
    r"""Return the text in one printable line: control, bidi and invisible characters as ``\u202e``.

    Stored strings come from forms and from refused requests; a terminal would obey them.
    """
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def cell(value: object) -> str:
    """Return a value as one printable line; nothing and empty are ``-``."""
    match value:
        case None | "" | [] | ():
            return "-"
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(cell(item) for item in value)
        case dict():
            return ", ".join(f"{cell(key)} {cell(item)}" for key, item in value.items())
        case _:
            return escaped(str(value))


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, empty: str) -> list[str]:
    """Return a heading and one line per row, columns aligned to the left; ``empty`` when there is none."""
    if not rows:
        return [empty]
    heading = [column.replace("_", " ").upper() for column in columns]
    return _aligned([heading, *([cell(row[column]) for column in columns] for row in rows)])


def pairs(values: Mapping[str, Any]) -> list[str]:
    """Return one indented line per value, with its name before it."""
    return _aligned([[GAP + name.replace("_", " "), cell(value)] for name, value in values.items()])


def _aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    return [
        GAP.join(
            text + " " * (width - _width(text)) for text, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    ]


def _width(text: str) -> int:
    """Return how many columns of a terminal the text takes (UAX 11: wide letters take two)."""
    return sum(
        0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )


def _escape(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
