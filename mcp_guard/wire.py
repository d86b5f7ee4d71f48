"""Read the head of an ASGI scope or a Django request: the only place where headers are taken from.

Headers are folded once, at the first line of a guard: some servers go on to change the scope (trailers
are merged into it), and some applications too.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping, Sequence
from functools import lru_cache
from typing import Any, Final

from django.http import HttpRequest

from mcp_guard.policy.endpoint import Endpoint
from mcp_guard.policy.facts import UNIX_SOCKET, Exchange, RequestHead
from mcp_guard.policy.headers import fold

Scope = MutableMapping[str, Any]

OUTER_ROOT_PATH: Final = "mcp_guard.root_path"
"""Key of the scope under which the front door keeps the root_path that the server handed over."""

SERVER_SEND: Final = "mcp_guard.send"
"""Key of the scope of a WebSocket under which the front door keeps the ``send`` of the server itself."""

REMEMBERED_LENGTH: Final = 512
"""Longest path, in characters, of which anything is remembered."""

_PLAIN_CHARACTERS = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/"
)
"""RFC 3986 section 3.3: what stands in a path without percent-encoding."""


def own(scope: Scope) -> dict[str, Any]:
    """Return a scope with headers of its own, as some servers add trailers to the list while a body comes in.

    A guard takes it before it waits for anything.
    """
    return {**scope, "headers": [*scope["headers"]]}


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
        _port(scope.get("server")),
    )


@lru_cache(maxsize=256)
def environ_key(name: bytes | None) -> str:
    """Return the name of a header as WSGI has it."""
    key = "" if name is None else name.decode("ascii").upper().replace("-", "_")
    return key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"


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
        _number(request.META.get("SERVER_PORT")),
    )


def _port(server: Sequence[Any] | None) -> int:
    """https://asgi.readthedocs.io/en/latest/specs/www.html: host and port, or a path and None."""
    if server is None:
        return 0
    return UNIX_SOCKET if server[1] is None else _number(server[1])


def _number(port: object) -> int:
    return int(text) if (text := str(port)).isdecimal() else 0


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


def environ_names(environ: Iterable[str]) -> Iterable[tuple[bytes, str]]:
    """Yield the names of the headers in a WSGI environment, each with its key."""
    for key in environ:
        if key.startswith("HTTP_"):
            name = key[5:]
        elif key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            name = key
        else:
            continue
        yield name.replace("_", "-").lower().encode("latin-1", "replace"), key


def _environ_headers(environ: dict[str, Any]) -> Iterable[tuple[bytes, bytes]]:
    for name, key in environ_names(environ):
        value = environ[key]
        if value or key.startswith("HTTP_"):
            yield name, str(value).encode("latin-1", "replace")
