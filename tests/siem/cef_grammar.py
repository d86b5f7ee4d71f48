"""A reader of CEF, written from its specification alone, to see whether what is written reads back."""

from __future__ import annotations

import re
from typing import NamedTuple

_HEADER = re.compile(r"((?:[^\\|\n\r]|\\[\\|])*)\|")
_KEY = re.compile(r"(?:^| )([A-Za-z0-9_]+)=")
_ESCAPES = {"\\\\": "\\", "\\=": "=", "\\n": "\n", "\\r": "\r"}


class Cef(NamedTuple):
    """One event: the seven fields of the header, and the extension."""

    header: list[str]
    extension: dict[str, str]


def read(text: str) -> Cef:
    """Read one event.

    Raises:
        ValueError: when it is none.
    """
    if not text.startswith("CEF:"):
        raise ValueError(text[:20])
    place, header = len("CEF:"), []
    for _ in range(7):
        found = _HEADER.match(text, place)
        if not found:
            raise ValueError("the header has too few fields")
        header.append(re.sub(r"\\([\\|])", r"\1", found[1]))
        place = found.end()
    return Cef(header, _extension(text[place:]))


def _extension(text: str) -> dict[str, str]:
    """Cut at the keys: a value goes on until a space, a key and an equals sign that is not escaped."""
    keys = [*_KEY.finditer(text)]
    if not keys or keys[0].start():
        raise ValueError(f"no key begins the extension {text[:20]!r}")
    ends = [*(key.start() for key in keys[1:]), len(text)]
    found = {key[1]: _value(text[key.end() : end]) for key, end in zip(keys, ends, strict=True)}
    if len(found) != len(keys):
        raise ValueError("a key stands there twice")
    return found


def _value(text: str) -> str:
    if re.search(r"[\n\r]|(?<!\\)(?:\\\\)*=|(?<!\\)(?:\\\\)*\\(?![\\=nr])", text):
        raise ValueError(f"{text[:40]!r} holds what has to be escaped")
    return re.sub(r"\\[\\=nr]", lambda escape: _ESCAPES[escape[0]], text)
