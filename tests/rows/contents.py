"""Rows about bodies: type, encoding, length, strict JSON, and the grant that each message needs."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Final

from tests.rows.exchanges import Request, bearer, call, get, origin, post, request
from tests.rows.outcomes import REFUSED, Refuses, admits, lacks, page
from tests.rows.row import on
from tests.rows.world import ANY, PLAIN, SCOPELESS, SERVER, WRITER

_SERVER: Final = admits(SERVER)
_TYPE: Final = Refuses(415, "content_type", REFUSED)
_ENCODING: Final = Refuses(415, "content_encoding", REFUSED)
_LARGE: Final = Refuses(413, "body_too_large", REFUSED)
_MALFORMED: Final = Refuses(400, "message_malformed", REFUSED)

TYPES: Final = [
    *on(
        "partner",
        *(
            (f"the type {value!r} is JSON", post(bearer(SERVER), content_type=value), _SERVER)
            for value in (
                "application/json",
                "Application/JSON",
                "application/json; charset=utf-8",
                "application/json;charset=UTF-8",
                'application/json; charset="utf-8"',
                "application/json ; x=y",
                "application/json; charset=utf8",
            )
        ),
        *(
            (f"the type {value!r} is not", post(bearer(SERVER), content_type=value), _TYPE)
            for value in (
                None,
                "",
                "text/plain",
                "application/x-www-form-urlencoded",
                "multipart/form-data; boundary=x",
                "text/plain; application/json",
                "application/json, text/plain",
                "application/json-patch+json",
                "application/vnd.api+json",
                "application/jsonx",
                "text/json",
                "application/json; charset=utf-16",
                "application/json; charset=latin1",
                "application/json;charset=utf-8;charset=utf-7",
                "*/*",
            )
        ),
        (
            "a wrong type: the page of a listed origin may read it",
            post(origin(PLAIN), bearer(ANY), content_type="text/plain"),
            Refuses(415, "content_type", REFUSED | page(PLAIN)),
        ),
        *(
            (
                f"the encoding {value!r} is refused",
                post(bearer(SERVER), ("Content-Encoding", value)),
                _ENCODING,
            )
            for value in ("gzip", "br", "", "identity, gzip")
        ),
        ("the encoding identity is none", post(bearer(SERVER), ("Content-Encoding", "Identity")), _SERVER),
    ),
]


def _padded(size: int) -> str:
    """Return a tool call of exactly so many bytes."""
    return call(pad="x" * (size - len(call(pad=""))))


def _chunked(request_: Request) -> Request:
    """Return the request without the length of its body."""
    return replace(request_, headers=tuple(one for one in request_.headers if one[0] != "Content-Length"))


LENGTHS: Final = [
    *on(
        "partner-small",
        ("a body of just the limit", post(bearer(SERVER), body=_padded(1024)), _SERVER),
        ("a body of just the limit in chunks", _chunked(post(bearer(SERVER), body=_padded(1024))), _SERVER),
        ("one byte more in chunks", _chunked(post(bearer(SERVER), body=_padded(1025))), _LARGE),
        *(
            (f"the length {length!r} is none", post(bearer(SERVER), length=length), _LARGE)
            for length in ("", "x", "-1", "1e3", "+5", "0x5", "1, 2", "\xb2")
        ),
        ("one byte more", post(bearer(SERVER), body=_padded(1025)), _LARGE),
        (
            "characters of several bytes count as bytes",
            post(
                bearer(SERVER),
                body=json.dumps(
                    {"jsonrpc": "2.0", "id": 1, "method": "ping", "x": "\u20ac" * 400}, ensure_ascii=False
                ),
            ),
            _LARGE,
        ),
        ("a length of the size of a disk", post(bearer(SERVER), length="9" * 12), _LARGE),
        ("a length that lies is not believed", post(bearer(SERVER), length="9" * 30), _LARGE),
        (
            "a length behind zeros is not believed",
            post(bearer(SERVER), length="0" * 19 + "1" + "9" * 12),
            _LARGE,
        ),
        (
            "too large: the page of a listed origin may read it",
            post(origin(PLAIN), bearer(ANY), body=_padded(1025)),
            Refuses(413, "body_too_large", REFUSED | page(PLAIN)),
        ),
    ),
]

JSON: Final = on(
    "partner",
    *(
        (f"no message: {what}", post(bearer(SERVER), body=body), _MALFORMED)
        for what, body in (
            ("nothing", ""),
            ("no JSON", "{"),
            ("two documents", call() + call()),
            ("a number", "1"),
            ("a batch", f"[{call()}]"),
            ("an empty batch", "[]"),
            ("a member twice", call()[:-1] + ', "method": "tools/call"}'),
            ("a member twice, deep inside", call()[:-1] + ', "x": {"a": 1, "a": 1}}'),
            (
                "a tool name twice",
                '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"write_note","name":"read_note"}}',
            ),
            ("NaN", call()[:-1] + ', "x": NaN}'),
            ("infinity", call()[:-1] + ', "x": -Infinity}'),
            ("a number beyond floats", call()[:-1] + ', "x": 1e999}'),
            ("thousands of digits", call()[:-1] + f', "x": {"9" * 5000}}}'),
            ("half a surrogate pair", call()[:-1] + ', "x": "\\ud800"}'),
            ("nested too deeply", call()[:-1] + f', "x": {"[" * 65}{"]" * 65}}}'),
            ("nested very deeply", "[" * 100_000),
            ("bytes that are no UTF-8", call().encode().replace(b"read_note", b"read\xffnote")),
            ("UTF-16", call().encode("utf-16")),
            ("a byte order mark", b"\xef\xbb\xbf" + call().encode()),
            ("no version", json.dumps({"id": 1, "method": "ping"})),
            ("another version", json.dumps({"jsonrpc": "1.0", "id": 1, "method": "ping"})),
            ("a request without an id", json.dumps({"jsonrpc": "2.0", "method": "ping"})),
            ("an id of null", call(id=None)),
            ("an id of true", call(id=True)),
            ("an id that is a fraction", call(id=1.5)),
            ("a notification with an id", request("notifications/initialized")),
            ("a method that is no text", call(method=1)),
            ("params that are a list", call(params=["read_note"])),
            ("a tool without a name", call(params={})),
            ("a tool whose name is no text", call(params={"name": ["read_note"]})),
            ("a tool with a control character in its name", call("read_note\n")),
            ("a request that is a response too", call(result={})),
        )
    ),
    *(
        (
            f"a body in a {method} is no message",
            get(bearer(SERVER), ("Content-Length", str(len(call()))), method=method, body=call().encode()),
            _MALFORMED,
        )
        for method in ("GET", "HEAD", "DELETE")
    ),
    (
        "a body in chunks in a GET is no message",
        get(bearer(SERVER), ("Transfer-Encoding", "chunked"), body=call().encode()),
        _MALFORMED,
    ),
    ("no body in a GET is none", get(bearer(SERVER), ("Content-Length", "0")), _SERVER),
    (
        "a token in a body is a second carrier",
        post(bearer(SERVER), body=call(token=SERVER)),
        Refuses(400, "credential_ambiguous", REFUSED),
    ),
    (
        "no message: the page of a listed origin may read it",
        post(origin(PLAIN), bearer(ANY), body="{"),
        Refuses(400, "message_malformed", REFUSED | page(PLAIN)),
    ),
)


def _notification(method: str) -> str:
    return json.dumps({"jsonrpc": "2.0", "method": method})


FREE: Final = on(
    "partner",
    *(
        (f"free: {what}", post(bearer(SCOPELESS), body=body), admits(SCOPELESS))
        for what, body in (
            *(
                (method, request(method))
                for method in (
                    "initialize",
                    "ping",
                    "server/discover",
                    "tools/list",
                    "resources/list",
                    "resources/templates/list",
                    "prompts/list",
                )
            ),
            ("notifications/initialized", _notification("notifications/initialized")),
            ("notifications/anything", _notification("notifications/anything")),
            ("a client's result", json.dumps({"jsonrpc": "2.0", "id": 1, "result": {}})),
            (
                "a client's error",
                json.dumps({"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "no"}}),
            ),
        )
    ),
)

GRANTED: Final = on(
    "partner",
    *(
        (f"granted: {what}", post(bearer(WRITER), body=body), admits(WRITER))
        for what, body in (
            ("a tool", call("read_note")),
            ("a tool of another scope", call("write_note")),
            ("a method that names nothing", request("logging/setLevel", level="debug")),
            ("a prompt", request("prompts/get", name="summary")),
            ("a resource below a prefix", request("resources/read", uri="note://public/docs/a")),
            (
                "a resource deep below a prefix",
                request("resources/read", uri="note://public/docs/a/b.txt?x=..#y"),
            ),
            ("a resource with a harmless escape", request("resources/read", uri="note://public/docs/a%20b")),
        )
    ),
)

_LACKING: Final = (
    ("a tool", call("write_note"), "tools/call:write_note"),
    ("a tool in another case", call("READ_NOTE"), "tools/call:READ_NOTE"),
    ("a tool with a longer name", call("read_note2"), "tools/call:read_note2"),
    ("a tool with odd characters", call('a"b\\c d\u00e9'), "tools/call:a%22b%5Cc%20d%C3%A9"),
    ("a tool with the first and last characters a scope may have", call("!~"), "tools/call:!~"),
    ("another prompt", request("prompts/get", name="secrets"), "prompts/get:secrets"),
    ("a method that names nothing", request("logging/setLevel", level="debug"), "logging/setLevel"),
    ("a method nobody knows", request("tools/drop"), "tools/drop"),
    ("a method in another case", request("Tools/List"), "Tools/List"),
    (
        "another resource method",
        request("resources/subscribe", uri="note://public/docs/a"),
        "resources/subscribe:note://public/docs/a",
    ),
    *(
        (f"the resource {uri}", request("resources/read", uri=uri), "resources/read:" + sent)
        for uri, sent in (
            ("note://private/docs/a", "note://private/docs/a"),
            ("note://public/docs", "note://public/docs"),
            ("note://public/docsx/a", "note://public/docsx/a"),
            ("NOTE://public/docs/a", "NOTE://public/docs/a"),
            ("note://public/docs/../secret", "note://public/docs/../secret"),
            ("note://public/docs/..", "note://public/docs/.."),
            ("note://public/docs/..?x", "note://public/docs/..?x"),
            ("note://public/docs/..#x", "note://public/docs/..#x"),
            ("note://public/docs/..;x/secret", "note://public/docs/..;x/secret"),
            ("note://public/docs/./../secret", "note://public/docs/./../secret"),
            ("note://public/docs/%2e%2e/secret", "note://public/docs/%2e%2e/secret"),
            ("note://public/docs/.%2E/secret", "note://public/docs/.%2E/secret"),
            ("note://public/docs/..%2fsecret", "note://public/docs/..%2fsecret"),
            ("note://public/docs/a%2Fb", "note://public/docs/a%2Fb"),
            ("note://public/docs/..\\secret", "note://public/docs/..%5Csecret"),
            ("note://public/docs/..%5csecret", "note://public/docs/..%5csecret"),
            ("note://public/docs/%252e%252e/secret", "note://public/docs/%252e%252e/secret"),
        )
    ),
)

LACKING: Final = on(
    "partner",
    *(
        (f"not granted: {what}", post(bearer(SERVER), body=body), lacks(grant))
        for what, body, grant in _LACKING
    ),
    ("an empty scope grants nothing", post(bearer(SCOPELESS)), lacks("tools/call:read_note")),
    (
        "not granted: the page of a listed origin may read it",
        post(origin(PLAIN), bearer(ANY), body=call("write_note")),
        lacks("tools/call:write_note", page(PLAIN)),
    ),
)

ROWS: Final = [*TYPES, *LENGTHS, *JSON, *FREE, *GRANTED, *LACKING]
