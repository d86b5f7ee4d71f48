"""The placeholders of a case, such as ``{good}`` and ``{good:upper}``: values that each site prints anew."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import Final

from tests.corpus.errors import ContractBroken

_PATTERN: Final = re.compile(r"\{([a-z][a-z0-9_]*)(?::([a-z][a-z0-9]*))?\}")


class Placeholders:
    """What a site printed, by placeholder."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = values

    def fill(self, text: str) -> str:
        """Return the text with its placeholders replaced.

        Raises:
            ContractBroken: when the site did not print one, or a transform leaves its value as it is.
        """
        return _PATTERN.sub(self._value, text)

    def _value(self, match: re.Match[str]) -> str:
        name, transform = match.groups()
        value = self.values.get(f"{{{name}}}")
        if not isinstance(value, str) or not value:
            raise ContractBroken(f"the ready line has no placeholder {{{name}}}")
        if transform is None:
            return value
        changed = TRANSFORMS[transform](value)
        if changed == value:
            raise ContractBroken(
                f"{{{name}:{transform}}} is the same text as {{{name}}}: use a token that it changes"
            )
        return changed


def _swap_last_letter(text: str) -> str:
    for index in range(len(text) - 1, -1, -1):
        swapped = text[index].swapcase()
        if text[index] != swapped:
            return text[:index] + swapped + text[index + 1 :]
    return text


def _fullwidth(text: str) -> str:
    """Return fullwidth letters, as the latin-1 reading of their UTF-8 bytes."""
    wide = "".join(chr(ord(c) + 0xFEE0) if c.isascii() and c.isalpha() else c for c in text)
    return wide.encode("utf-8").decode("latin-1")


def _after_prefix(text: str) -> str:
    return text.partition("_")[2] or text[5:]


TRANSFORMS: Final[Mapping[str, Callable[[str], str]]] = {
    "lower": str.lower,
    "upper": str.upper,
    "swapcase1": _swap_last_letter,
    "cut1": lambda text: text[:-1],
    "cut2": lambda text: text[:-2],
    "half": lambda text: text[: len(text) // 2],
    "prefix": lambda text: text[: len(text) - len(_after_prefix(text))],
    "body": _after_prefix,
    "ghp": lambda text: "ghp_" + _after_prefix(text),
    "nfkc": _fullwidth,
    "b64": lambda text: base64.b64encode(text.encode()).decode(),
    "pct": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
}
"""How ``{name:transform}`` changes a value."""
