"""Rows about headers that repeat the body, as later revisions have it, and about what a message refers to."""

from __future__ import annotations

import json
from typing import Final

from tests.rows.exchanges import Header, Request, bearer, call, origin, post, request
from tests.rows.outcomes import REFUSED, Refuses, admits, lacks, page
from tests.rows.row import on
from tests.rows.world import ANY, PLAIN, SERVER, WRITER

_VERSION: Final = "io.modelcontextprotocol/protocolVersion"
_DISAGREES: Final = Refuses(400, "headers_disagree", REFUSED)
_MALFORMED: Final = Refuses(400, "head_malformed", REFUSED)
_READ: Final = ("Mcp-Name", "read_note")
_CALL: Final = ("Mcp-Method", "tools/call")


def _modern(*headers: Header, body: str | None = None, version: str = "2026-07-28") -> Request:
    return post(bearer(SERVER), ("MCP-Protocol-Version", version), *headers, body=body)


def _of_version(said: object) -> str:
    """Return a call whose body says its revision."""
    return call(params={"name": "read_note", "_meta": {_VERSION: said}})


_RESOURCE: Final = request("resources/read", uri="note://public/docs/a")
_INITIALIZED: Final = json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"})
_RESULT: Final = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {}})
_ODD: Final = "na\u00efve"

AGREE: Final = on(
    "partner",
    *(
        (f"agree: {what}", exchange, admits(SERVER))
        for what, exchange in (
            ("method and name", _modern(_CALL, _READ)),
            ("a name in base64", _modern(_CALL, ("Mcp-Name", "=?base64?cmVhZF9ub3Rl?="))),
            (
                "a URI",
                _modern(
                    ("Mcp-Method", "resources/read"), ("Mcp-Name", "note://public/docs/a"), body=_RESOURCE
                ),
            ),
            (
                "a prompt",
                _modern(
                    ("Mcp-Method", "prompts/get"),
                    ("Mcp-Name", "summary"),
                    body=request("prompts/get", name="summary"),
                ),
            ),
            ("the revision of the body", _modern(_CALL, _READ, body=_of_version("2026-07-28"))),
            (
                "a body that says no revision",
                _modern(_CALL, _READ, body=call(params={"name": "read_note", "_meta": {}})),
            ),
            ("a later revision", _modern(_CALL, _READ, version="2027-01-01")),
            ("a method that names nothing", _modern(("Mcp-Method", "ping"), body=request("ping"))),
            ("a notification that repeats nothing", _modern(body=_INITIALIZED)),
            (
                "a notification that repeats its method",
                _modern(("Mcp-Method", "notifications/initialized"), body=_INITIALIZED),
            ),
            ("a response that repeats nothing", _modern(body=_RESULT)),
            (
                "a header of an argument that no schema names",
                _modern(_CALL, _READ, ("Mcp-Param-Region", "eu")),
            ),
            (
                "an earlier revision whose headers lie",
                _modern(_CALL, ("Mcp-Name", "x"), version="2025-11-25"),
            ),
            ("an earlier revision without headers", _modern(version="2025-06-18")),
            ("no revision, whatever the headers say", post(bearer(SERVER), _CALL, ("Mcp-Name", "x"))),
        )
    ),
)

DISAGREE: Final = on(
    "partner",
    *(
        (f"disagree: {what}", exchange, _DISAGREES)
        for what, exchange in (
            ("another method", _modern(("Mcp-Method", "ping"), _READ)),
            ("the method in another case", _modern(("Mcp-Method", "TOOLS/CALL"), _READ)),
            ("no method", _modern(_READ)),
            ("another name", _modern(_CALL, ("Mcp-Name", "write_note"))),
            ("a name that is granted, of a tool that is not", _modern(_CALL, _READ, body=call("write_note"))),
            ("the name in another case", _modern(_CALL, ("Mcp-Name", "Read_note"))),
            ("no name", _modern(_CALL)),
            ("an empty name", _modern(_CALL, ("Mcp-Name", ""))),
            ("base64 of another name", _modern(_CALL, ("Mcp-Name", "=?base64?d3JpdGVfbm90ZQ==?="))),
            ("base64 that is none", _modern(_CALL, ("Mcp-Name", "=?base64?cmVhZF9ub3Rl*?="))),
            ("base64 without its padding", _modern(_CALL, ("Mcp-Name", "=?base64?YQ?="), body=call("a"))),
            ("base64 in another form", _modern(_CALL, ("Mcp-Name", "=?base64?YR==?="), body=call("a"))),
            ("base64 of no text", _modern(_CALL, ("Mcp-Name", "=?base64?/w==?="), body=call("\u00ff"))),
            ("base64 in capitals", _modern(_CALL, ("Mcp-Name", "=?BASE64?cmVhZF9ub3Rl?="))),
            ("a name in Latin-1", _modern(_CALL, ("Mcp-Name", _ODD), body=call(_ODD))),
            (
                "a name in UTF-8",
                _modern(_CALL, ("Mcp-Name", _ODD.encode().decode("latin-1")), body=call(_ODD)),
            ),
            ("another revision in the body", _modern(_CALL, _READ, body=_of_version("2025-11-25"))),
            ("a revision in the body that is no text", _modern(_CALL, _READ, body=_of_version(None))),
            ("a later revision without headers", _modern(version="9999-99-99")),
            ("what is no revision, without headers", _modern(version="latest")),
            ("nearly an earlier revision", _modern(version="2025-11-25x")),
            ("a notification with another method", _modern(_CALL, body=_INITIALIZED)),
            ("a response with a method", _modern(_CALL, body=_RESULT)),
        )
    ),
    (
        "disagree: the page of a listed origin may read it",
        post(origin(PLAIN), bearer(ANY), ("MCP-Protocol-Version", "2026-07-28")),
        Refuses(400, "headers_disagree", REFUSED | page(PLAIN)),
    ),
    (
        "a second header of an argument is malformed",
        _modern(_CALL, _READ, ("Mcp-Param-Region", "eu"), ("mcp-param-region", "eu")),
        _MALFORMED,
    ),
    (
        "two headers of arguments are not",
        _modern(_CALL, _READ, ("Mcp-Param-Region", "eu"), ("Mcp-Param-Zone", "eu")),
        admits(SERVER),
    ),
    (
        "what agrees still needs its grant",
        _modern(_CALL, ("Mcp-Name", "write_note"), body=call("write_note")),
        lacks("tools/call:write_note"),
    ),
)


def _completion(**ref: object) -> str:
    return request("completion/complete", ref=ref, argument={"name": "a", "value": ""})


def _listening(**notifications: object) -> str:
    return request("subscriptions/listen", notifications=notifications)


_LISTENING_TO_TWO: Final = (
    "subscriptions/listen resources/subscribe:note://public/docs/a resources/subscribe:note://private/b"
)
_PROMPT: Final = {"type": "ref/prompt", "name": "summary"}

REFERRED: Final = on(
    "partner",
    *(
        (f"referred to: {what}", post(bearer(WRITER), body=body), admits(WRITER))
        for what, body in (
            ("a prompt", _completion(**_PROMPT)),
            ("a resource", _completion(type="ref/resource", uri="note://public/docs/a")),
            ("a template", _completion(type="ref/resource", uri="note://public/{folder}/{id}")),
            ("no resource", _listening(toolsListChanged=True)),
            ("no resource, said so", _listening(resourceSubscriptions=None)),
            ("as many as may be", _listening(resourceSubscriptions=["note://public/docs/a"] * 1000)),
            ("resources", _listening(resourceSubscriptions=["note://public/docs/a", "note://public/docs/b"])),
        )
    ),
    *(
        (f"referred to without grant: {what}", post(bearer(token), body=body), lacks(needed))
        for what, token, body, needed in (
            (
                "a prompt",
                WRITER,
                _completion(type="ref/prompt", name="x"),
                "completion/complete prompts/get:x",
            ),
            ("completion", SERVER, _completion(**_PROMPT), "completion/complete prompts/get:summary"),
            (
                "a resource",
                WRITER,
                _completion(type="ref/resource", uri="note://private/a"),
                "completion/complete resources/read:note://private/a",
            ),
            (
                "a resource that climbs",
                WRITER,
                _completion(type="ref/resource", uri="note://public/docs/../a"),
                "completion/complete resources/read:note://public/docs/../a",
            ),
            (
                "a template",
                WRITER,
                _completion(type="ref/resource", uri="note://private/{id}"),
                "completion/complete resources/read:note://private/*",
            ),
            (
                "a template so wide that no grant opens it",
                SERVER,
                _completion(type="ref/resource", uri="x://{id}"),
                "completion/complete",
            ),
            (
                "resources",
                WRITER,
                _listening(resourceSubscriptions=["note://public/docs/a", "note://private/b"]),
                _LISTENING_TO_TWO,
            ),
            ("listening", SERVER, _listening(), "subscriptions/listen"),
        )
    ),
    *(
        (
            f"refers to nothing: {what}",
            post(bearer(WRITER), body=body),
            Refuses(400, "message_malformed", REFUSED),
        )
        for what, body in (
            ("no reference", request("completion/complete")),
            ("a reference that is a text", request("completion/complete", ref="ref/prompt")),
            ("a kind that nobody knows", _completion(type="ref/tool", name="summary")),
            ("a prompt without name", _completion(type="ref/prompt", uri="summary")),
            ("a prompt with an empty name", _completion(type="ref/prompt", name="")),
            ("a resource without URI", _completion(type="ref/resource", name="note://public/docs/a")),
            ("no notifications", request("subscriptions/listen")),
            ("a URI in place of a list", _listening(resourceSubscriptions="note://public/docs/a")),
            ("too many URIs", _listening(resourceSubscriptions=["note://public/docs/a"] * 1001)),
            ("a URI that is no text", _listening(resourceSubscriptions=["note://public/docs/a", 1])),
        )
    ),
)

ROWS: Final = [*AGREE, *DISAGREE, *REFERRED]
