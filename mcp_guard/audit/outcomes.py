"""What an answer says of a call: read from the parts of it while they pass, in bounded memory."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

MAX_BYTES: Final = 256 * 1024
"""Longest answer, or event of a stream, that is looked into."""

_EVENT_END: Final = re.compile(rb"(?>\r\n|\r|\n){2}")
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")


class Outcome(NamedTuple):
    """How a call ended; ``code`` is that of a JSON-RPC error or the status of HTTP, 0 for none."""

    name: str
    code: int = 0


OK: Final = Outcome("ok")
TOOL_ERROR: Final = Outcome("tool_error")
ANSWERED: Final = Outcome("answered")
UNANSWERED: Final = Outcome("unanswered")


class Answered(NamedTuple):
    """Which call a text answers, and how that ended."""

    id: str | int
    outcome: Outcome


def answered(text: str | bytes) -> Answered | None:
    """Return what a text answers, None when it is no answer."""
    try:
        message: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    identifier: Any = message.get("id") if type(message) is dict else None
    outcome = _outcome(message) if type(identifier) in (str, int) else None
    return None if outcome is None else Answered(identifier, outcome)


def _outcome(message: dict[str, Any]) -> Outcome | None:
    result, error = message.get("result"), message.get("error")
    if type(error) is dict:
        code = error.get("code")
        return Outcome("error", code if type(code) is int and abs(code) < 2**31 else 0)
    if type(result) is dict:
        return TOOL_ERROR if result.get("isError") is True else OK
    return None


class Answer:
    """The answer to one call over HTTP."""

    def __init__(self, identifier: str | int | None) -> None:
        self._identifier = identifier
        self._status = 200
        self._is_stream = self._is_coded = self._is_long = False
        self._kept = b""

    def begin(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Take notice of the head of the answer."""
        self._status = status
        for name, value in headers:
            if name.lower() == b"content-type":
                self._is_stream = value.lower().startswith(b"text/event-stream")
            elif name.lower() == b"content-encoding":
                self._is_coded = value.strip().lower() not in (b"", b"identity")

    def feed(self, part: bytes) -> Outcome | None:
        """Take notice of a part of the body; return how the call ended as soon as a stream has told it."""
        if self._is_coded or (self._is_long and not self._is_stream):
            return None
        self._kept += part
        found = self._take_events() if self._is_stream and (b"\n" in part or b"\r" in part) else None
        if len(self._kept) > MAX_BYTES:
            self._kept, self._is_long = b"", True
        return found

    def end(self) -> Outcome:
        """Return how the call ended, of an answer that has come to its end."""
        found = self._event(self._kept) if self._is_stream else self._own(self._kept)
        if found is not None:
            return found
        if self._status >= 400:
            return Outcome("error", self._status)
        return ANSWERED if self._is_coded or self._is_long else UNANSWERED

    def _take_events(self) -> Outcome | None:
        """Read the events of a stream that are complete; the rest is kept."""
        *events, self._kept = _EVENT_END.split(self._kept)
        for event in events:
            found = self._event(event)
            if found is not None:
                return found
        return None

    def _event(self, event: bytes) -> Outcome | None:
        lines = [line[5:].strip() for line in _LINE_END.split(event) if line.startswith(b"data:")]
        return self._own(b"\n".join(lines)) if lines else None

    def _own(self, text: bytes) -> Outcome | None:
        found = answered(text)
        return found.outcome if found is not None and found.id == self._identifier else None
