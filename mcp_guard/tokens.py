"""Token texts: mint, checksum, digest, mask.

A token text is ``mcpg_``, 43 base62 characters (256 random bits) and 6 base62 characters of CRC-32,
so that a leaked one is found by scanners and a mistyped one is refused without a look-up. Stored is
the SHA-256 of the text: with 256 random bits there is nothing to guess, so no slow hash is needed.
"""

from __future__ import annotations

import hashlib
import secrets
import string
import zlib
from typing import Final, NewType


class TokenText(str):
    """The secret as it goes over the wire. Never stored, logged or put into a message."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return a representation that may stand in a traceback: without the text."""
        return f"TokenText({mask(self)})"


TokenDigest = NewType("TokenDigest", bytes)
"""SHA-256 of the token text, 32 bytes: what is stored and looked up."""

PREFIX: Final = "mcpg_"
ALPHABET: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
SECRET_LENGTH: Final = 43
CHECKSUM_LENGTH: Final = 6
LENGTH: Final = len(PREFIX) + SECRET_LENGTH + CHECKSUM_LENGTH


def mint() -> TokenText:
    """Return a new token text with 256 random bits."""
    body = _base62(secrets.randbits(256), SECRET_LENGTH)
    return TokenText(PREFIX + body + _checksum(PREFIX + body))


def is_well_formed(text: str) -> bool:
    """Return whether the text has the form and the checksum of a token; says nothing about its state."""
    if len(text) != LENGTH or not text.startswith(PREFIX) or not text.isascii():
        return False
    return _checksum(text[:-CHECKSUM_LENGTH]) == text[-CHECKSUM_LENGTH:]


def digest(text: str) -> TokenDigest:
    """Return the SHA-256 of a token text."""
    return TokenDigest(hashlib.sha256(text.encode("utf-8")).digest())


def mask(text: TokenText) -> str:
    """Return what lists show instead of a token text: its prefix and its checksum.

    The checksum says 32 bits about a secret of 256: enough to tell tokens apart, useless to guess one.
    """
    return f"{PREFIX}…{text[-CHECKSUM_LENGTH:]}"


def _checksum(text: str) -> str:
    """Return the CRC-32 in base62, two digits at a time: whoever presents anything has this computed."""
    upper, low = divmod(zlib.crc32(text.encode("ascii")), len(_PAIRS))
    high, middle = divmod(upper, len(_PAIRS))
    return _PAIRS[high] + _PAIRS[middle] + _PAIRS[low]


_PAIRS: Final = [first + second for first in ALPHABET for second in ALPHABET]


def _base62(number: int, length: int) -> str:
    digits: list[str] = []
    for _ in range(length):
        number, rest = divmod(number, 62)
        digits.append(ALPHABET[rest])
    return "".join(reversed(digits))
