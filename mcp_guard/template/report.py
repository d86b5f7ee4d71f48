"""What is wrong with a template and what becomes of its fields, each beside its JSON path."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple

MAX_PROBLEMS: Final = 100
"""How many problems are kept; one more says that there were others."""

_PLAIN_MEMBER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,59}")


class Becomes(Enum):
    """What kind of thing a field of a template becomes."""

    SETTING = "setting"
    ROW = "row"
    ALWAYS = "always so"
    OUTSIDE = "outside of the guard"
    NOT_TAKEN = "not taken"


class Effect(NamedTuple):
    """What becomes of one field."""

    path: str
    becomes: Becomes
    text: str


class Problem(NamedTuple):
    """Why one field cannot be taken; the text never holds the value of a secret."""

    path: str
    text: str


@dataclass(slots=True)
class Report:
    """Effects and problems in the order in which the fields were read, and warnings about the whole."""

    effects: list[Effect] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def wrong(self, path: str, text: str) -> None:
        """Note a problem; past ``MAX_PROBLEMS`` only that there are more."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(path, text))
        elif len(self.problems) == MAX_PROBLEMS:
            self.problems.append(Problem("", f"there are more problems than these {MAX_PROBLEMS}"))

    def becomes(self, path: str, kind: Becomes, text: str) -> None:
        """Note what becomes of a field."""
        self.effects.append(Effect(path, kind, text))


def member(path: str, name: str) -> str:
    """Return the path of a member of the object at ``path``; odd names are quoted and cut."""
    if _PLAIN_MEMBER.fullmatch(name):
        return f"{path}.{name}" if path else name
    return f"{path}[{json.dumps(name[:60])}]"


def item(path: str, index: int) -> str:
    """Return the path of an item of the array at ``path``."""
    return f"{path}[{index}]"


def shown(value: object) -> str:
    """Return a value as a problem shows it: JSON, cut; what lies inside of arrays and objects is left out."""
    match value:
        case dict():
            return "an object"
        case list():
            return "an array"
        case _:
            return json.dumps(value)[:60]
