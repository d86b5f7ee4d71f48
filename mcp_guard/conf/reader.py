"""Read one dict of the settings, and collect every mistake in it with its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

E = TypeVar("E", bound=Enum)


class ProblemKind(Enum):
    """What is wrong with a setting; each kind is one system check."""

    MALFORMED = "malformed"
    UNKNOWN_KEY = "unknown_key"
    UNKNOWN_PROFILE = "unknown_profile"
    CONTRADICTION = "contradiction"
    NO_HOSTS = "no_hosts"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in the settings: where, what, and what to write instead."""

    kind: ProblemKind
    where: str
    text: str
    hint: str = ""


@dataclass(slots=True)
class Reader:
    """Reads one dict of the settings and collects what is wrong with it."""

    where: str
    values: Mapping[str, Any]
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, key: str, text: str, hint: str = "", kind: ProblemKind = ProblemKind.MALFORMED) -> None:
        """Note a problem with a key."""
        self.problems.append(Problem(kind, f"{self.where}[{key!r}]", text, hint))

    def refuse_unknown(self, known: Mapping[str, str]) -> None:
        """Note every key that is not known."""
        for key in self.values:
            if key not in known:
                hint = f"Known keys: {', '.join(sorted(known))}."
                self.wrong(str(key), "is not a setting", hint, ProblemKind.UNKNOWN_KEY)

    def read(self, key: str, default: Any, accept: Callable[[Any], bool], what: str) -> Any:
        """Return the value of a key, or the default with a problem noted when it is not ``what``."""
        value = self.values.get(key, default)
        if accept(value):
            return value
        self.wrong(key, f"is {shown(value)}, not {what}")
        return default

    def flag(self, key: str, *, default: bool = False) -> bool:
        """Return a switch."""
        return bool(self.read(key, default, lambda v: isinstance(v, bool), "True or False"))

    def number(self, key: str, default: float, low: float, high: float) -> float:
        """Return a number within its bounds."""
        what = f"a number from {low:g} to {high:g}"
        return float(self.read(key, default, lambda v: _is_number(v) and low <= v <= high, what))

    def count(self, key: str, default: int, low: int, high: int) -> int:
        """Return a whole number within its bounds."""
        what = f"a whole number from {low} to {high}"
        return int(self.read(key, default, lambda v: _is_whole(v) and low <= v <= high, what))

    def texts(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return a list of strings."""
        return tuple(self.read(key, default, _is_list_of_text, "a list of strings"))

    def choice(self, key: str, options: type[E], default: E) -> E:
        """Return the member of an enumeration whose value a key has."""
        value = self.values.get(key, default.value)
        for option in options:
            if option.value == value:
                return option
        known = ", ".join(repr(option.value) for option in options)
        self.wrong(key, f"is {shown(value)}, not one of {known}")
        return default


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_list_of_text(value: object) -> bool:
    return isinstance(value, list | tuple | set | frozenset) and all(isinstance(v, str) for v in value)


def shown(value: object) -> str:
    """Return a value as the text of a problem shows it, cut where it is long."""
    return repr(value)[:80]
