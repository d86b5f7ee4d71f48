"""Read the head of an ASGI scope or a Django request: the only place where headers are taken from.

Headers are folded once, at the first line of a guard: some servers go on to change the scope (trailers
are merged into it), and some applications too.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from functools import lru_cache
from typing import Any, Final

from django.http import HttpRequest

from mcp_guard.policy.endpoint import Endpoint
from mcp_guard.policy.facts import Exchange, RequestHead
from mcp_guard.policy.headers import fold

Scope = MutableMapping[str, Any]

OUTER_ROOT_PATH: Final = "mcp_guard.root_path"
"""Key of the scope under which the front door keeps the root_path that the server handed over."""

REMEMBERED_LENGTH: Final = 512
"""Longest path, in characters, of which anything is remembered."""

_PLAIN_CHARACTERS = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/"
)
"""RFC 3986 section 3.3: what stands in a path without percent-encoding."""


def from_scope(scope: Scope, endpoint: Endpoint) -> RequestHead:
    """Return the head of an ASGI ``http`` or ``websocket`` scope."""
    headers, defect = fold(scope["headers"], endpoint.token_header)
    method = scope.get("method", "GET")
    if scope["type"] == "websocket":
        exchange = Exchange.HANDSHAKE
    else:
        exchange = _http_exchange(method, headers)
    client = scope.get("client")
    return RequestHead(
        exchange,
        method,
        scope["path"],
        scope.get("query_string", b""),
        scope.get("scheme", ""),
        client[0] if client else "",
        scope.get(OUTER_ROOT_PATH, scope.get("root_path", "")),
        headers,
        _malformation(defect, scope["path"], scope.get("raw_path")),
    )


def from_request(request: HttpRequest, endpoint: Endpoint) -> RequestHead:
    """Return the head of a Django request; under ASGI that of its scope.

    WSGI servers join repeated headers with a comma, which no value that decides contains.
    """
    scope = getattr(request, "scope", None)
    if scope is not None:
        return from_scope(scope, endpoint)
    headers, defect = fold(_environ_headers(request.META), endpoint.token_header)
    method = request.META.get("REQUEST_METHOD", "")
    return RequestHead(
        _http_exchange(method, headers),
        method,
        request.path,
        request.META.get("QUERY_STRING", "").encode("latin-1", "replace"),
        request.META.get("wsgi.url_scheme", ""),
        request.META.get("REMOTE_ADDR", ""),
        "",
        headers,
        _malformation(defect, request.path, None),
    )


def _http_exchange(method: str, headers: dict[bytes, bytes]) -> Exchange:
    """https://fetch.spec.whatwg.org/#cors-preflight-request: OPTIONS, an Origin and a requested method."""
    if method == "OPTIONS" and b"origin" in headers and b"access-control-request-method" in headers:
        return Exchange.PREFLIGHT
    return Exchange.REQUEST


def _malformation(defect: str | None, path: str, raw_path: bytes | None) -> str | None:
    if defect is not None:
        return defect
    if not is_plain(path) or (raw_path is not None and not is_plain(raw_path.decode("latin-1"))):
        return "path not in its plain form"
    return None


def is_plain(path: str) -> bool:
    """Return whether a path reads the same to everybody: no escapes, dot segments or doubled slashes."""
    return _is_plain(path) if len(path) <= REMEMBERED_LENGTH else _is_plain.__wrapped__(path)


@lru_cache(maxsize=1024)
def _is_plain(path: str) -> bool:
    if not path.startswith("/") or not _PLAIN_CHARACTERS.issuperset(path) or "//" in path:
        return False
    return "." not in path or not {".", ".."} & set(path.split("/"))


def _environ_headers(environ: dict[str, Any]) -> Iterable[tuple[bytes, bytes]]:
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            name = key[5:]
        elif key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            if not value:
                continue
            name = key
        else:
            continue
        yield name.replace("_", "-").lower().encode("latin-1"), str(value).encode("latin-1", "replace")
