"""Values of MCP's headers: printable ASCII as it is, everything else in base64 (``=?base64?…?=``)."""

from __future__ import annotations

import base64
import binascii
import re

_PRINTABLE = re.compile(rb"[\x20-\x7e]*")
_WRAPPED = re.compile(rb"=\?base64\?(.*)\?=")


def decoded(value: bytes) -> str | None:
    """Return what a header says, None for what no client may write (Streamable HTTP, "Header encoding").

    Base64 that is not in its one form is nothing either: another reader could make something else of it.
    """
    if not _PRINTABLE.fullmatch(value):
        return None
    wrapped = _WRAPPED.fullmatch(value)
    if wrapped is None:
        return value.decode("ascii")
    try:
        raw = base64.b64decode(wrapped[1], validate=True)
        return raw.decode() if base64.b64encode(raw) == wrapped[1] else None
    except (binascii.Error, UnicodeDecodeError):
        return None
