"""Read an event stream while it passes, event by event, and let its messages be rewritten.

Only what is rewritten changes; every other byte goes on as it came, and no later than the end of its event,
before which no client does anything with it (https://html.spec.whatwg.org/#event-stream-interpretation).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from mcp_guard.mcp.answers import may_hold_list

Rewrite = Callable[[str], str]

_EVENT_END = re.compile(rb"(?>\r\n|\r|\n){2}")
_LINE_END = re.compile(r"(\r\n|\r|\n)")
_BYTE_ORDER_MARK: Final = "\ufeff"
_OVERLAP: Final = 64
"""How many bytes of a long event are kept, so that nothing to look for is cut in two."""


class TooLongError(ValueError):
    """An event that may hold a list is longer than can be kept."""


class EventStream:
    """One stream. ``limit`` is how many bytes of an event that has not ended yet are kept."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = b""
        self._is_long = False

    def feed(self, part: bytes, rewrite: Rewrite) -> bytes:
        """Return what may go out now of all that has come in; ``rewrite`` gets the message of an event.

        Raises:
            TooLongError: when that cannot be told of an event in bounded memory.
        """
        buffer = self._kept + part if self._kept else part
        out: list[bytes] = []
        begin = 0
        search_from = max(0, len(self._kept) - 3)
        while found := _EVENT_END.search(buffer, max(begin, search_from)):
            out.append(self._event(buffer[begin : found.end()], rewrite))
            begin = found.end()
        self._kept = buffer[begin:]
        if len(self._kept) > self._limit or (self._is_long and self._kept):
            out.append(self._flush())
        return b"".join(out)

    def end(self, rewrite: Rewrite) -> bytes:
        """Return what is left when the stream has ended; a client may read an event that has not."""
        last, self._kept = self._kept, b""
        return self._event(last, rewrite) if last else b""

    def _event(self, event: bytes, rewrite: Rewrite) -> bytes:
        if not may_hold_list(event):
            self._is_long = False
            return event
        if self._is_long:
            raise TooLongError
        return _rewritten(event, rewrite)

    def _flush(self) -> bytes:
        """Return all but the last of an event that is too long to be kept, unless it may hold a list."""
        if may_hold_list(self._kept):
            raise TooLongError
        self._is_long = True
        out, self._kept = self._kept[:-_OVERLAP], self._kept[-_OVERLAP:]
        return out


def _rewritten(event: bytes, rewrite: Rewrite) -> bytes:
    """Return an event with another message in it, the event itself where the message stays."""
    pieces = _LINE_END.split(event.decode("utf-8", "replace"))
    pieces[0] = pieces[0].removeprefix(_BYTE_ORDER_MARK)
    lines, ends = pieces[::2], pieces[1::2]
    data = [line for line in lines if _is_data(line)]
    message = "\n".join(line[5:].removeprefix(" ") for line in data)
    written = rewrite(message)
    if written is message:
        return event
    ends.append("")
    out: list[str] = []
    is_written = False
    for line, end in zip(lines, ends, strict=True):
        if not _is_data(line):
            out += (line, end)
        elif not is_written:
            is_written = True
            out += ("data: ", written, end)
    return "".join(out).encode()


def _is_data(line: str) -> bool:
    return line == "data" or line.startswith("data:")
