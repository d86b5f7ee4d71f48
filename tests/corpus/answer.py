"""Bytes of a request, and what came back: the parts of HTTP that the judge looks at."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.corpus.case import CaseFile


@dataclass(slots=True)
class Answer:
    """What came back.

    ``status`` is a number, "closed", "timeout" or "junk". ``close`` is the WebSocket close code, "drop"
    for a TCP close without one, None for a socket that stayed open. ``raw`` is every byte of the
    connection, also what came behind the first answer.
    """

    status: int | str = "timeout"
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    raw: bytes = b""
    close: int | str | None = None
    handler_runs: int = 0
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def all(self, name: str) -> list[str]:
        """Return every value of a header, whose name is given in lower case."""
        return [value for key, value in self.headers if key == name]

    def tokens(self, name: str) -> list[str]:
        """Return the members of a comma-separated header, as written."""
        return [part.strip() for value in self.all(name) for part in value.split(",") if part.strip()]


def parse_answer(data: bytes, *, head_only: bool, at_end: bool) -> Answer | None:
    """Return the first HTTP answer in ``data``, None while more has to come.

    ``head_only`` is for HEAD; ``at_end`` says that no more will come.
    """
    head, separator, rest = bytes(data).partition(b"\r\n\r\n")
    if not separator and not at_end:
        return None
    lines = head.decode("latin-1").split("\r\n")
    status = re.fullmatch(r"HTTP/1\.[01] (\d{3})(?: .*)?", lines[0], re.DOTALL)
    if not status:
        return Answer(status="junk", raw=bytes(data)) if data else None
    pairs = [line.partition(":") for line in lines[1:]]
    headers = [(name.strip().lower(), value.strip()) for name, _, value in pairs]
    answer = Answer(status=int(status[1]), raw=bytes(data), body=rest, headers=headers)
    complete = at_end or head_only
    if "chunked" in ",".join(answer.all("transfer-encoding")).lower():
        answer.body, whole = unchunk(rest)
        return answer if complete or whole else None
    return answer if complete or _is_whole(answer) else None


def _is_whole(answer: Answer) -> bool:
    if answer.status in (101, 204, 304):
        return True
    lengths = answer.all("content-length")
    return bool(lengths) and lengths[0].isdigit() and len(answer.body) >= int(lengths[0])


def unchunk(data: bytes) -> tuple[bytes, bool]:
    """Return the body in a chunked answer so far, and whether it is complete (RFC 9112 section 7.1)."""
    body = b""
    while True:
        size, separator, data = data.partition(b"\r\n")
        if not separator or not re.fullmatch(rb"[0-9a-fA-F]{1,8}(;.*)?", size):
            return body, False
        length = int(size.partition(b";")[0], 16)
        body += data[:length]
        if length == 0 or len(data) < length + 2:
            return body, length == 0
        data = data[length + 2 :]


def request_bytes(given: dict[str, Any], file: CaseFile, fill: Callable[[str], str]) -> bytes:
    """Return the bytes of a request: one character of the case file is one byte on the wire."""
    if "raw" in given:
        return fill(file.text(given["raw"])).encode("latin-1")
    body = fill(file.text(given["body"])).encode("latin-1") if "body" in given else None
    method, path = file.text(given.get("method", "GET")), fill(file.text(given["path"]))
    lines = [f"{method} {path} HTTP/{given.get('http_version', '1.1')}"]
    lines += [f"{name}: {fill(file.text(value))}" for name, value in given["headers"]]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")
