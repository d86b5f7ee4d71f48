"""One object of a template: its members read by type, every mistake noted at its JSON path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from mcp_guard.template.report import Becomes, Report, item, member, shown

T = TypeVar("T")

MAX_ITEMS: Final = 200
"""How many items an array of a template may have."""

MAX_TEXT: Final = 500
"""Longest string of a template in characters, member names aside."""


@dataclass(frozen=True, slots=True)
class Section:
    """Reads one object. A member that is absent is None; so is one that is not what it has to be."""

    path: str
    values: Mapping[str, Any]
    report: Report

    def at(self, name: str) -> str:
        """Return the path of a member."""
        return member(self.path, name)

    def has(self, name: str) -> bool:
        """Return whether a member is there, whatever its value."""
        return name in self.values

    def wrong(self, name: str, text: str) -> None:
        """Note a problem with a member."""
        self.report.wrong(self.at(name), text)

    def becomes(self, name: str, kind: Becomes, text: str) -> None:
        """Note what becomes of a member."""
        self.report.becomes(self.at(name), kind, text)

    def refuse_unknown(self, known: Mapping[str, str]) -> None:
        """Note each member that is not known: what is not understood is not dropped silently."""
        for name in self.values:
            if name not in known:
                self.wrong(name, f"is not a field of a template; known here are {', '.join(known)}")

    def flag(self, name: str) -> bool | None:
        """Return a switch."""
        return self._read(name, lambda v: v if isinstance(v, bool) else None, "true or false")

    def number(self, name: str, low: int, high: int) -> int | None:
        """Return a whole number within its bounds."""

        def whole(value: object) -> int | None:
            is_whole = isinstance(value, int) and not isinstance(value, bool)
            return value if is_whole and low <= value <= high else None  # type: ignore[operator,return-value]  # checked

        return self._read(name, whole, f"a whole number from {low} to {high}")

    def text(self, name: str) -> str | None:
        """Return a string that is not empty, printable, without white space around it."""
        return self._read(name, _plain_text, f"a printable string of 1 to {MAX_TEXT} characters")

    def texts(self, name: str) -> list[tuple[str, str]] | None:
        """Return the path and the text of each item of an array of strings."""
        found = self._read(name, _array, f"an array of at most {MAX_ITEMS}")
        if found is None:
            return None
        texts = []
        for index, value in enumerate(found):
            path, text = item(self.at(name), index), _plain_text(value)
            if text is None:
                self.report.wrong(path, f"is {shown(value)}, not a printable string")
            else:
                texts.append((path, text))
        return texts

    def section(self, name: str, known: Mapping[str, str]) -> Section | None:
        """Return an object inside of this one, its unknown members noted."""
        found: dict[str, Any] | None = self._read(
            name, lambda v: v if isinstance(v, dict) else None, "an object"
        )
        return None if found is None else self._inner(self.at(name), found, known)

    def sections(self, name: str, known: Mapping[str, str]) -> list[Section] | None:
        """Return the objects of an array inside of this one."""
        found = self._read(name, _array, f"an array of at most {MAX_ITEMS}")
        if found is None:
            return None
        sections = []
        for index, value in enumerate(found):
            path = item(self.at(name), index)
            if isinstance(value, dict):
                sections.append(self._inner(path, value, known))
            else:
                self.report.wrong(path, f"is {_kind(value)}, not an object")
        return sections

    def _inner(self, path: str, values: dict[str, Any], known: Mapping[str, str]) -> Section:
        inner = Section(path, values, self.report)
        inner.refuse_unknown(known)
        return inner

    def _read(self, name: str, accept: Callable[[Any], T | None], what: str) -> T | None:
        if name not in self.values:
            return None
        found = accept(self.values[name])
        if found is None:
            self.wrong(name, f"is {shown(self.values[name])}, not {what}")
        return found


def _plain_text(value: object) -> str | None:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT:
        return None
    return value if value.isprintable() and value == value.strip() else None


def _array(value: object) -> list[Any] | None:
    return value if isinstance(value, list) and len(value) <= MAX_ITEMS else None


def _kind(value: object) -> str:
    """Return what a value is without showing it: where an object belongs, a bare string may be a secret."""
    return "a string" if isinstance(value, str) else shown(value)
