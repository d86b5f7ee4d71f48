"""Read JSON that every reader reads alike, and nothing else.

RFC 8259 leaves open what becomes of repeated members, of numbers beyond a reader's range and of halves of
surrogate pairs (sections 4, 6 and 8.2); Python's reader takes even more. All of that is refused here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from enum import Enum
from math import isinf
from typing import Any, Final

MAX_DEPTH: Final = 64
"""How many objects and arrays may lie in one another."""

MAX_CONTAINERS: Final = 50_000
"""How many objects and arrays a message may hold: more of them stall an event loop for seconds."""


_WHITE_SPACE: Final = " \t\n\r"


class JSONDefect(Enum):
    """Why a text is not taken for JSON; the value may be told to whoever sent it."""

    NOT_UTF8 = "the message is not UTF-8 text"
    NOT_JSON = "the message is not JSON"
    REPEATED_MEMBER = "a member occurs twice in one object"
    NUMBER = "a number is not finite or too long"
    SURROGATE = "a string holds half a surrogate pair"
    DEPTH = "the message is nested too deeply"


class NotStrictJSONError(ValueError):
    """The text is not JSON, or could be read in two ways."""

    def __init__(self, defect: JSONDefect) -> None:
        super().__init__(defect.value)
        self.defect = defect


def decode(raw: bytes | str, *, max_depth: int = MAX_DEPTH, max_containers: int = MAX_CONTAINERS) -> Any:
    """Return the JSON value that ``raw`` is.

    Raises:
        NotStrictJSONError: when it is none, or one that could be read differently elsewhere.
    """
    try:
        text = raw if isinstance(raw, str) else str(raw, "utf-8")
        if text is raw and not text.isascii():
            text.encode()
    except UnicodeError:
        raise NotStrictJSONError(JSONDefect.NOT_UTF8) from None
    containers = text.count("{") + text.count("[")
    if containers > max_containers:
        raise NotStrictJSONError(JSONDefect.DEPTH)
    try:
        document = _read(text.strip(_WHITE_SPACE))
    except NotStrictJSONError:
        raise
    except json.JSONDecodeError:
        raise NotStrictJSONError(JSONDefect.NOT_JSON) from None
    except ValueError:  # int() refuses thousands of digits
        raise NotStrictJSONError(JSONDefect.NUMBER) from None
    except RecursionError:
        raise NotStrictJSONError(JSONDefect.DEPTH) from None
    if containers > max_depth and _is_deep(document, max_depth):
        raise NotStrictJSONError(JSONDefect.DEPTH)
    if "\\u" in text and _has_lone_surrogate(document):
        raise NotStrictJSONError(JSONDefect.SURROGATE)
    return document


def _read(text: str) -> Any:
    """Do as ``JSONDecoder.decode`` with a text that has no white space around it, in half the time."""
    document, end = _DECODER.raw_decode(text)
    if end != len(text):
        raise NotStrictJSONError(JSONDefect.NOT_JSON)
    return document


def _is_deep(document: Any, max_depth: int) -> bool:
    """Return whether something lies more than ``max_depth`` objects and arrays deep, level by level."""
    level = [document]
    for _ in range(max_depth):
        level = [child for node in level for child in _children(node)]
    return any(isinstance(node, dict | list) for node in level)


def _children(node: Any) -> Iterable[Any]:
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, list) else ()


def _has_lone_surrogate(document: Any) -> bool:
    """Return whether a member name or string cannot be written as UTF-8."""
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotStrictJSONError(JSONDefect.REPEATED_MEMBER)
    return members


def _finite(text: str) -> float:
    number = float(text)
    if isinf(number):
        raise NotStrictJSONError(JSONDefect.NUMBER)
    return number


def _refuse_constant(_name: str) -> float:
    """Refuse NaN and the infinities, which Python reads although JSON has no such numbers."""
    raise NotStrictJSONError(JSONDefect.NUMBER)


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_distinct, parse_float=_finite, parse_constant=_refuse_constant
)
