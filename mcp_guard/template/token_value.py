"""Why the ``value`` of a token in a template cannot stand there.

No value is ever taken over: the guard stores digests of texts that it made itself, with 256 random bits. A
value is looked at all the same, since a placeholder shows that nobody filled the template in, and a text of
the guard's own must not lie in a file.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import pairwise
from typing import Final

from mcp_guard.tokens import PREFIX

MIN_LENGTH: Final = 32
"""Shortest value that is taken for a secret, in characters."""

MIN_BITS: Final = 96
"""Least entropy of a value in bits, estimated from how its characters are spread: 32 random hexadecimal
digits, which are 128, come to about 115 by that measure."""

_PLACEHOLDER = re.compile(
    r"change[-_ ]?(?:me|it|this)|your[-_ ]|[-_ ]here\b|placeholder|replace|example|insert|dummy|sample|todo"
    r"|redacted|secret|passw|token|generate|x{4}|\*{3}|\.{3}|[<>{}$%…]",
    re.IGNORECASE,
)


def objection(value: str) -> str | None:
    """Return why a value cannot stand in a template, without repeating it; None when it could be a secret."""
    if value.startswith(PREFIX):
        return (
            f"begins with {PREFIX}, as token texts of this guard do: they are shown once and belong into no "
            "file. Remove it, and rotate the token if it works"
        )
    if _PLACEHOLDER.search(value):
        return "is a placeholder; remove it, a token is issued for this entry"
    if not (value.isascii() and value.isprintable()) or " " in value:
        return "holds characters that no token has; remove it, a token is issued for this entry"
    if len(value) < MIN_LENGTH:
        return f"is too short to be a secret, with less than {MIN_LENGTH} characters; remove it"
    if _bits(value) < MIN_BITS or _is_periodic(value) or _runs(value):
        return "is too regular to be a secret; remove it, a token is issued for this entry"
    return None


def _bits(text: str) -> float:
    """Return Shannon's entropy of the characters times their number."""
    counts, length = Counter(text).values(), len(text)
    return -sum(count * math.log2(count / length) for count in counts)


def _is_periodic(text: str) -> bool:
    """Return whether a text is a shorter one, repeated."""
    return text in (text + text)[1:-1]


def _runs(text: str) -> bool:
    """Return whether most characters follow the one before them as in abcd, 4321 or a row of one digit."""
    steps = [ord(right) - ord(left) for left, right in pairwise(text)]
    return sum(step in (-1, 0, 1) for step in steps) > len(steps) // 2
