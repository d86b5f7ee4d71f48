"""Origins and tokens made from numbers, so that no process has to be told which there are."""

from __future__ import annotations

import base64
import hashlib
import zlib
from typing import Final

FOREIGN: Final = "https://evil.attacker.example"
HOST: Final = "mcp.example.com"
POOL: Final = 64
"""How many credentials take turns in one measurement."""

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def origin(number: int) -> str:
    """Return an origin."""
    return f"https://app{number:06d}.t{number % 97:02d}.example.com"


def guard_token(number: int) -> str:
    """Return a token text of mcp_guard."""
    secret = int.from_bytes(hashlib.sha256(b"guard%d" % number).digest(), "big")
    text = "mcpg_" + _base62(secret, 43)
    return text + _base62(zlib.crc32(text.encode()), 6)


def bound_token(number: int) -> str:
    """Return a token for the lower bound."""
    return base64.urlsafe_b64encode(hashlib.sha256(b"bound%d" % number).digest()).decode().rstrip("=")


def drf_token(number: int) -> str:
    """Return a key of Django REST framework."""
    return hashlib.sha1(b"drf%d" % number, usedforsecurity=False).hexdigest()


def knox_token(number: int) -> str:
    """Return a token of django-rest-knox."""
    return hashlib.sha256(b"knox%d" % number).hexdigest()


def api_key(number: int) -> str:
    """Return a key of djangorestframework-api-key."""
    prefix = (number * 2654435761) & 0xFFFFFFFF
    return f"{prefix:08x}.{hashlib.md5(b'key%d' % number, usedforsecurity=False).hexdigest()}"


MAKERS: Final = {
    "guard": ("Bearer", guard_token),
    "bound": ("Bearer", bound_token),
    "sdk": ("Bearer", bound_token),
    "drf": ("Token", drf_token),
    "knox": ("Token", knox_token),
    "api_key": ("Api-Key", api_key),
    "none": ("Bearer", bound_token),
}
"""Scheme of the Authorization header and maker of the token, by who authenticates."""


def sample(count: int, most: int = POOL) -> list[int]:
    """Return at most so many numbers below ``count``, evenly spread."""
    most = min(count, most)
    return [(i * count) // most + (count // most) // 2 for i in range(most)]


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, rest = divmod(number, 62)
        digits.append(_ALPHABET[rest])
    return "".join(reversed(digits))
