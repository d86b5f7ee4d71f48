"""Rows about endpoints with messages "http": bodies are the application's own, grants are for methods."""

from __future__ import annotations

from typing import Final

from tests.rows.exchanges import bearer, call, cookie, get, handshake, origin, post, preflight, request
from tests.rows.outcomes import (
    ALLOWED_HEADERS,
    REFUSED,
    Grants,
    Refuses,
    RefusesHandshake,
    acts_for,
    admits,
    anybody,
    delegated,
    forbidden,
    lacks,
    lists,
    page,
    page_with_cookies,
    unknown_caller,
)
from tests.rows.row import on
from tests.rows.world import (
    ADA,
    ADAS_SESSION,
    ANY,
    APP,
    HTTP_READER,
    HTTP_WRITER,
    PLAIN,
    SCOPELESS,
    UNLISTED,
    WRITER,
)

_READER: Final = bearer(HTTP_READER)
_WRITER: Final = bearer(HTTP_WRITER)
_METHODS: Final = "GET, POST, PUT, PATCH, DELETE, OPTIONS"
_TYPE: Final = Refuses(415, "content_type", REFUSED)
_LARGE: Final = Refuses(413, "body_too_large", REFUSED)
_NO_SOCKET: Final = RefusesHandshake("websocket_not_expected", 4403)

BODIES: Final = on(
    "api",
    *(
        (f"a body is not read: {what}", post(_WRITER, body=body), admits(HTTP_WRITER))
        for what, body in (
            ("an order", '{"order": 7}'),
            ("an array", "[1, 2]"),
            ("nothing", ""),
            ("no JSON", "{"),
            ("a member twice", '{"a": 1, "a": 2}'),
            ("a member auth", '{"auth": {"bearer": "of another party"}}'),
            ("an MCP message whose tool nobody granted", call("drop_tables")),
        )
    ),
    *(
        (f"the type {value!r} is refused", post(_WRITER, content_type=value), _TYPE)
        for value in (
            None,
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
        )
    ),
    ("a PATCH has a type, too", post(_WRITER, method="PATCH", content_type="text/plain"), _TYPE),
    (
        "a body in an encoding is refused",
        post(_WRITER, ("Content-Encoding", "gzip"), method="PATCH"),
        Refuses(415, "content_encoding", REFUSED),
    ),
    ("a body of just the limit", post(_WRITER, body="1" * 1024), admits(HTTP_WRITER)),
    ("one byte more", post(_WRITER, body="1" * 1025), _LARGE),
    ("one byte more in a PATCH", post(_WRITER, method="PATCH", body="1" * 1025), _LARGE),
    (
        "one byte more than was said in a PATCH",
        post(_WRITER, method="PATCH", body="1" * 1025, length="1024"),
        _LARGE,
    ),
)

GRANTED: Final = [
    *on(
        "api",
        ("a GET by its grant", get(_READER), admits(HTTP_READER)),
        (
            "a body in a GET is the application's, too",
            get(_READER, ("Content-Length", "2"), body=b"{}"),
            admits(HTTP_READER),
        ),
        ("a HEAD by the grant of GET", get(_READER, method="HEAD"), admits(HTTP_READER)),
        ("a PATCH by its grant", post(_WRITER, method="PATCH"), admits(HTTP_WRITER)),
        ("a page by its token", post(origin(PLAIN), _WRITER), admits(HTTP_WRITER, page(PLAIN))),
        (
            "a session has the grants of its origin's client",
            get(origin(APP), cookie(ADAS_SESSION)),
            acts_for(ADA, page_with_cookies(APP)),
        ),
    ),
    *on("api-public", ("a GET by public_scopes", get(), anybody())),
    *on(
        "api-oauth",
        ("forward_authorization: a GET", get(_READER), delegated()),
        ("forward_authorization: a DELETE", get(bearer("of another issuer"), method="DELETE"), delegated()),
        ("forward_authorization: a POST", post(bearer("of another issuer")), delegated()),
        (
            "forward_authorization: a body still is JSON",
            post(bearer("of another issuer"), content_type="text/plain"),
            _TYPE,
        ),
    ),
]

LACKING: Final = [
    *on(
        "api",
        ("no grant, no GET", get(_WRITER), lacks("http:GET")),
        ("no grant, no HEAD", get(_WRITER, method="HEAD"), lacks("http:GET")),
        ("no grant, no POST", post(_READER), lacks("http:POST")),
        ("no grant, no PUT", post(_WRITER, method="PUT"), lacks("http:PUT")),
        ("no grant, no DELETE", get(_WRITER, method="DELETE"), lacks("http:DELETE")),
        ("a scopeless token may do nothing", get(bearer(SCOPELESS)), lacks("http:GET")),
        ("grants for tools are none for methods", post(bearer(WRITER)), lacks("http:POST")),
        (
            "a session may do no more than its client",
            post(origin(APP), cookie(ADAS_SESSION)),
            lacks("http:POST", page_with_cookies(APP)),
        ),
    ),
    *on("api-public", ("public_scopes without POST", post(), lacks("http:POST"))),
    *on(
        "partner",
        ("grants for methods are none for tools", post(_WRITER), lacks("tools/call:read_note")),
        (
            "a message whose method reads like a grant",
            post(_WRITER, body=request("http:POST")),
            lacks("http:POST"),
        ),
        (
            "a message whose method reads like a grant for a tool",
            post(bearer(ANY), body=request("tools/call:read_note")),
            lacks("tools/call:read_note"),
        ),
    ),
]

HEADS: Final = on(
    "api",
    *(
        (
            f"{method} is not answered",
            get(_WRITER, method=method),
            Refuses(405, "method_not_allowed", REFUSED | {"allow": _METHODS}),
        )
        for method in ("OPTIONS", "TRACE", "QUERY", "post")
    ),
    ("nobody", post(), unknown_caller()),
    ("an unlisted origin", post(origin(UNLISTED), _WRITER), forbidden("origin_not_listed")),
    (
        "a listed origin's preflight gets the true methods",
        preflight(PLAIN, method="PATCH"),
        Grants(lists(PLAIN, methods=_METHODS, headers=ALLOWED_HEADERS)),
    ),
    ("an unlisted origin's preflight", preflight(UNLISTED), forbidden("origin_not_listed")),
    ("a WebSocket by a token", handshake(_WRITER), _NO_SOCKET),
    ("a WebSocket of a listed page", handshake(origin(APP), cookie(ADAS_SESSION)), _NO_SOCKET),
    ("a WebSocket of a foreign page", handshake(origin(UNLISTED)), _NO_SOCKET),
)

ROWS: Final = [*BODIES, *GRANTED, *LACKING, *HEADS]
