"""Ticket texts: made, recognised, turned into what is stored of them.

A ticket is a prefix and 256 random bits. Of the text only its SHA-256 is stored, beside the credential it was
issued for, which is sealed by a key that comes from the text as well: a copy of the table opens nothing.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Final, NewType

TicketText = NewType("TicketText", str)
"""The secret as it goes over the wire. Never stored, logged or put into a message."""

PREFIX: Final = "mcpt_"

SECONDS: Final = 30
"""How long a ticket may be redeemed, in seconds."""

_TEXT = re.compile(rb"mcpt_[A-Za-z0-9_-]{43}")


def mint() -> TicketText:
    """Return a new ticket text with 256 random bits."""
    return TicketText(PREFIX + secrets.token_urlsafe(32))


def is_well_formed(text: bytes) -> bool:
    """Return whether this has the form of a ticket; says nothing about its state."""
    return _TEXT.fullmatch(text) is not None


def digest(text: bytes) -> bytes:
    """Return the SHA-256 of a ticket text, under which it is found."""
    return hashlib.sha256(text).digest()


def key(text: bytes) -> bytes:
    """Return the key by which what a ticket holds is sealed; the digest does not tell it."""
    return hashlib.sha256(b"mcp_guard what a ticket holds " + text).digest()


def seal(key: bytes, held: bytes) -> bytes:
    """Return what a ticket holds, readable with its key alone; sealing twice opens it.

    The pad is as long as what it covers, and no key is used for two of them.
    """
    pad = hashlib.shake_256(key).digest(len(held))
    return bytes(one ^ other for one, other in zip(held, pad, strict=True))
