"""Fold raw header lines to one value for each name that policy reads.

- ASGI gives names in lower case and values as bytes; nothing is decoded here.
- Optional white space around a value (RFC 9110 section 5.5: SP and HTAB) is dropped, nothing else: every
  other byte is the sender's and makes a value a different one.
- Names with an underscore are no aliases: ``orig_in`` is not ``origin``.
- A header that decides must not occur twice, not even with equal values (RFC 9110 section 5.3): servers,
  proxies and applications disagree on which of the two counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final, NamedTuple

SINGLE: Final = frozenset(
    {
        b"host",
        b"origin",
        b"authorization",
        b"content-type",
        b"content-length",
        b"content-encoding",
        b"sec-fetch-site",
        b"sec-websocket-version",
        b"access-control-request-method",
        b"access-control-request-headers",
        b"mcp-protocol-version",
        b"mcp-method",
        b"mcp-name",
        b"mcp-session-id",
        b"x-mcp-nonce",
        b"daphne-root-path",
    }
)
"""Headers that decide: a second one makes the head malformed."""

JOINED: Final = {
    b"cookie": b"; ",
    b"sec-websocket-protocol": b", ",
    b"x-forwarded-for": b", ",
    b"x-forwarded-proto": b", ",
    b"user-agent": b", ",
    b"transfer-encoding": b", ",
}
"""Headers that may occur several times, and what stands between their values."""

READ: Final = SINGLE | JOINED.keys()
"""All that policy reads, besides the headers that repeat arguments."""

PARAMETER: Final = b"mcp-param-"
"""What the names of headers begin with that repeat an argument of a tool; each decides, so it is single."""


MAX_HEADERS: Final = 500
"""How many headers a head may have; browsers and SDKs send about twenty."""


class FoldedHeaders(NamedTuple):
    """The headers that policy reads, by name in lower case, and what makes the head malformed, or None."""

    values: dict[bytes, bytes]
    defect: str | None


def fold(lines: Iterable[tuple[bytes, bytes]], token_header: bytes | None = None) -> FoldedHeaders:
    """Return the headers that policy reads; ``token_header`` is a second one that may carry a token."""
    read = READ if token_header is None else READ | {token_header}
    found = list(islice(lines, MAX_HEADERS + 1))
    defect = f"more than {MAX_HEADERS} headers" if len(found) > MAX_HEADERS else None
    kept = [
        (name, value.strip(b" \t"))
        for name, value in found[:MAX_HEADERS]
        if name in read or name.startswith(PARAMETER)
    ]
    values = dict(kept)
    if len(values) == len(kept):
        return FoldedHeaders(values, defect)
    folded = _fold_repeated(kept)
    return FoldedHeaders(folded.values, defect or folded.defect)


def _fold_repeated(kept: list[tuple[bytes, bytes]]) -> FoldedHeaders:
    """Join what may be repeated; of anything else the first one is kept, and a second one is a defect."""
    values: dict[bytes, bytes] = {}
    further: dict[bytes, list[bytes]] = {}
    defect: str | None = None
    for name, value in kept:
        if name not in values:
            values[name] = value
        elif name in JOINED:
            further.setdefault(name, []).append(value)
        else:
            defect = defect or f"second {name.decode('latin-1')}"
    for name, others in further.items():
        values[name] = JOINED[name].join([values[name], *others])
    return FoldedHeaders(values, defect)
