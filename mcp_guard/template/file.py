"""Read a template from a file: a regular one, of bounded size, holding strict JSON."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from typing import Any, Final

from mcp_guard.mcp.strict_json import JSONDefect, NotStrictJSONError, decode

MAX_BYTES: Final = 256 * 1024
"""Largest template in bytes."""

_DEFECTS: Final = {
    JSONDefect.NOT_UTF8: "is not UTF-8 text",
    JSONDefect.NOT_JSON: "is not JSON",
    JSONDefect.REPEATED_MEMBER: "has a member twice in one object, so readers would differ",
    JSONDefect.NUMBER: "has a number that is not finite or too long",
    JSONDefect.SURROGATE: "has a string with half a surrogate pair",
    JSONDefect.DEPTH: "is nested too deeply",
}


class TemplateFileError(ValueError):
    """The file is no template; the text says why and does not repeat what is in it."""


def read(path: str) -> Any:
    """Return the JSON value that a file holds.

    Raises:
        TemplateFileError: when it is no regular file of at most ``MAX_BYTES`` with strict JSON. A symbolic
            link is not followed, and what could be waited for (a pipe, a device) is not read.
    """
    raw = _bytes(path)
    if len(raw) > MAX_BYTES:
        raise TemplateFileError(f"has more than {MAX_BYTES} bytes")
    try:
        return decode(raw)
    except NotStrictJSONError as error:
        raise TemplateFileError(_DEFECTS[error.defect]) from None


def _bytes(path: str) -> bytes:
    try:
        number = _open(path)
    except OSError as error:
        raise TemplateFileError(f"cannot be read: {error.strerror}") from None
    except TemplateFileError:
        raise
    except ValueError:  # a NUL in it
        raise TemplateFileError("cannot be read: that is no path") from None
    try:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise TemplateFileError("is not a regular file")
        return b"".join(_chunks(number))
    except OSError as error:
        raise TemplateFileError(f"cannot be read: {error.strerror}") from None
    finally:
        os.close(number)


def _open(path: str) -> int:
    """Return the number of the file itself: of what is checked and read, whoever renames what meanwhile."""
    flags = os.O_RDONLY
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
        flags |= getattr(os, name, 0)
    try:
        return os.open(path, flags)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise TemplateFileError("is a symbolic link; name the file itself") from None
        raise


def _chunks(number: int) -> Iterator[bytes]:
    """Yield what a file holds, up to a byte more than it may."""
    left = MAX_BYTES + 1
    while left > 0 and (chunk := os.read(number, left)):
        left -= len(chunk)
        yield chunk
