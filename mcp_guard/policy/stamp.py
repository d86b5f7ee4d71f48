"""Stamp the answer of the inner application with the headers of the decision."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mcp_guard.policy.decision import Admitted
from mcp_guard.policy.reply import Header, cors_headers

_PLAIN_NAMES = (
    b"content-type",
    b"content-length",
    b"content-language",
    b"content-disposition",
    b"allow",
    b"date",
    b"etag",
    b"last-modified",
    b"mcp-protocol-version",
    b"mcp-session-id",
    b"referrer-policy",
    b"server",
    b"transfer-encoding",
    b"x-accel-buffering",
    b"x-content-type-options",
    b"x-frame-options",
    b"cross-origin-opener-policy",
)
_UNTOUCHED: Final = frozenset(_PLAIN_NAMES) | {name.title() for name in _PLAIN_NAMES}
"""Headers that a stamp has nothing to do with, as ASGI and as Django writes them."""


def stamped_headers(
    headers: Iterable[Header], admitted: Admitted, added: tuple[Header, ...] | None = None
) -> list[Header]:
    """Return the headers of an inner answer as they leave: one writer of CORS, Vary and privacy.

    Whatever the inner application said of Access-Control is dropped, its own Vary is kept. ``added`` is what
    ``added_headers`` returns for the decision, where that is known already.
    """
    lines = [*headers]
    for line in lines:
        if line[0] not in _UNTOUCHED:
            return _stamped_each(lines, admitted)
    lines += added_headers(admitted) if added is None else added
    return lines


def added_headers(admitted: Admitted) -> tuple[Header, ...]:
    """Return what is added to an answer that says nothing about CORS, Vary or caches by itself."""
    private = ((b"cache-control", b"private"),) if is_credentialed(admitted) else ()
    return ((b"vary", b"Origin"), *private, *cors_headers(admitted.cors))


def _stamped_each(headers: list[Header], admitted: Admitted) -> list[Header]:
    kept: list[Header] = []
    vary: list[bytes] = []
    cache: list[bytes] = []
    for name, value in headers:
        lowered = name.lower()
        if lowered == b"vary":
            vary.append(value)
        elif lowered == b"cache-control":
            cache.append(value)
        elif not lowered.startswith(b"access-control-"):
            kept.append((name, value))
    kept.append((b"vary", merged_vary(b", ".join(vary))))
    private = private_cache(b", ".join(cache)) if is_credentialed(admitted) else b", ".join(cache)
    if private:
        kept.append((b"cache-control", private))
    kept += cors_headers(admitted.cors)
    return kept


def merged_vary(value: bytes) -> bytes:
    """Return a Vary that names Origin (RFC 9110 section 12.5.5)."""
    names = [name.strip(b" \t") for name in value.split(b",")]
    if b"*" in names:
        return b"*"
    if b"origin" in (name.lower() for name in names):
        return value
    return value + b", Origin" if value else b"Origin"


def private_cache(value: bytes) -> bytes:
    """Return a Cache-Control that no shared cache keeps (RFC 9111 section 5.2.2)."""
    directives = [part.strip(b" \t") for part in value.split(b",") if part.strip(b" \t")]
    names = {directive.partition(b"=")[0].lower() for directive in directives}
    if names & {b"no-store"} or b"private" in (directive.lower() for directive in directives):
        return value
    kept = [d for d in directives if d.partition(b"=")[0].lower() not in (b"public", b"s-maxage", b"private")]
    return b", ".join([*kept, b"private"])


def is_credentialed(admitted: Admitted) -> bool:
    """Return whether an answer is for its principal alone."""
    return admitted.delegated or bool(admitted.principal.client)
