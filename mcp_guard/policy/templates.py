"""URI templates (RFC 6570): what the URIs that one makes can look like.

Servers read templates more freely than the RFC, so that is not computed but bounded: a plain expression such
as ``{id}`` may stand for anything without ``/``, ``?`` and ``#``, one with an operator or ``*`` for anything.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from typing import Final

MAX_LENGTH: Final = 2000
"""Longest template in characters that is looked into; a longer one makes nothing."""

MAX_EXPRESSIONS: Final = 8
"""How many expressions a template that is looked into has; one with more makes nothing.

Each one may stand for many texts, and their number times the length of the template is what a look costs.
"""

_PART = re.compile(r"\{([^{}]+)\}|([^{}]+)")
_OPERATORS: Final = "+#./;?&=,!@|"
_ENDS_SEGMENT: Final = "/?#"


class Wild(Enum):
    """What an expression may stand for; the empty text always."""

    SEGMENT = "a part of a segment"
    ANYTHING = "anything"


Token = str | Wild


class TemplateError(ValueError):
    """The text is no URI template."""


def literal_head(template: str) -> str:
    """Return what every URI of a template begins with."""
    return template.partition("{")[0]


def makes(template: str, text: str, *, whole: bool) -> bool:
    """Return whether a template may make the URI ``text``, or where not ``whole`` one that begins with it.

    What is no template makes nothing.
    """
    if _is_large(template) or not _fit(literal_head(template), text, whole=whole):
        return False
    try:
        tokens = _tokens(template)
    except TemplateError:
        return False
    reached = _with_empty({0}, tokens)
    for character in text:
        reached = _with_empty(_after(reached, character, tokens), tokens)
        if not reached:
            return False
    return not whole or len(tokens) in reached


def _is_large(template: str) -> bool:
    return len(template) > MAX_LENGTH or template.count("{") > MAX_EXPRESSIONS


def _fit(head: str, text: str, *, whole: bool) -> bool:
    """Return whether the beginning of a template does not rule a text out at a glance."""
    return text.startswith(head) or (not whole and head.startswith(text))


def _after(reached: set[int], character: str, tokens: tuple[Token, ...]) -> set[int]:
    """Return the places in a template that one more character leads to."""
    places = set()
    for place in reached:
        match tokens[place] if place < len(tokens) else None:
            case Wild.ANYTHING:
                places.add(place)
            case Wild.SEGMENT if character not in _ENDS_SEGMENT:
                places.add(place)
            case str(literal) if literal == character:
                places.add(place + 1)
    return places


def _with_empty(reached: set[int], tokens: tuple[Token, ...]) -> set[int]:
    """Return the places together with those behind expressions that stand for nothing."""
    places = set(reached)
    for place in reached:
        following = place
        while following < len(tokens) and isinstance(tokens[following], Wild):
            following += 1
            if following in places:
                break
            places.add(following)
    return places


@lru_cache(maxsize=256)
def _tokens(template: str) -> tuple[Token, ...]:
    """Return a template as single characters and what stands between them.

    Raises:
        TemplateError: when a brace is left over.
    """
    tokens: list[Token] = []
    end = 0
    for part in _PART.finditer(template):
        if part.start() != end:
            raise TemplateError
        end = part.end()
        expression, literal = part.groups()
        if literal is not None:
            tokens.extend(literal)
        else:
            is_wide = expression[0] in _OPERATORS or "*" in expression
            tokens.append(Wild.ANYTHING if is_wide else Wild.SEGMENT)
    if end != len(template):
        raise TemplateError
    return tuple(tokens)
