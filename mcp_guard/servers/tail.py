"""The end of what a process writes to its standard error: bounded, whatever it writes.

The process is not trusted. A line without an end is cut, control characters are escaped where the text is
shown, and who writes faster than ``BYTES_PER_SECOND`` waits.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Iterable
from typing import Final

from mcp_guard.audit.redact import redacted

MAX_BYTES: Final = 64 * 1024
"""How much is kept."""

MAX_LINES: Final = 1000
"""How many lines are kept: empty ones fill no bytes, and each costs time where it is shown."""

MAX_LINE: Final = 2000
"""How much of one line is kept, in bytes."""

BYTES_PER_SECOND: Final = 256 * 1024
"""How fast it is read: a process that floods it waits, and costs no more than that."""

CUT: Final = b" [cut]"
"""What follows a line that is longer."""

HIDDEN: Final = "[redacted]"
"""What stands for a secret."""

SECRET_CHARACTERS: Final = 6
"""From which length on a value is looked for in what a process writes: shorter ones are found everywhere."""

MOST_HIDDEN: Final = 256
"""How many texts are looked for; of more, the ones that were told last."""

_CHUNK: Final = 32 * 1024


class Tail:
    """The last lines. Written by the event loop, read by any thread."""

    def __init__(self) -> None:
        self._secrets: tuple[str, ...] = ()
        self._longest_first: tuple[str, ...] = ()
        self._lock = threading.Lock()
        self._lines: deque[bytes] = deque()
        self._size = 0
        self._open = b""
        self._is_cut = False
        self.version = 0
        """Raised with everything that comes."""

    def hide(self, values: Iterable[str]) -> None:
        """Never show these values, nor one of the lines of which they are made.

        What was hidden for an earlier process stays so: its words are still here.
        """
        found = [text for value in values for text in (value, *value.splitlines())]
        told = [*self._secrets, *(text for text in found if len(text) >= SECRET_CHARACTERS)]
        latest = list(dict.fromkeys(reversed(told)))[:MOST_HIDDEN]
        self._secrets = tuple(reversed(latest))
        self._longest_first = tuple(sorted(latest, key=len, reverse=True))

    def feed(self, data: bytes) -> None:
        """Take what was written."""
        with self._lock:
            self.version += 1
            *ended, rest = data.split(b"\n")
            for part in ended:
                self._extend(part)
                self._end()
            self._extend(rest)

    def note(self, line: str) -> None:
        """Add a line of our own, beginning a new one."""
        self.feed((b"\n" if self._open else b"") + line.encode("utf-8", "replace") + b"\n")

    def text(self) -> str:
        """Return the lines, without token texts, and harmless to whoever shows them."""
        with self._lock:
            lines = [*self._lines, self._open] if self._open else list(self._lines)
        return "\n".join(redacted(self._shown(line)) for line in lines)

    def _shown(self, line: bytes) -> str:
        return self.without_secrets(line.decode("utf-8", "replace").rstrip("\r"))

    def without_secrets(self, text: str) -> str:
        """Return a text of the process without the values that it got."""
        for secret in self._longest_first:
            text = text.replace(secret, HIDDEN)
        return text

    def _extend(self, part: bytes) -> None:
        room = MAX_LINE - len(self._open)
        self._is_cut = self._is_cut or len(part) > room
        self._open += part[:room]

    def _end(self) -> None:
        line = self._open + CUT if self._is_cut else self._open
        self._open, self._is_cut = b"", False
        self._lines.append(line)
        self._size += len(line) + 1
        while self._size > MAX_BYTES or len(self._lines) > MAX_LINES:
            self._size -= len(self._lines.popleft()) + 1


async def follow(stream: asyncio.StreamReader, tail: Tail) -> None:
    """Read a stream to its end, no faster than a process may write."""
    while data := await stream.read(_CHUNK):
        tail.feed(data)
        await asyncio.sleep(len(data) / BYTES_PER_SECOND)
