"""What is shown of lists, and what templates and headers go with: checks that no exchange of a row makes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from mcp_guard.mcp import agreement, jsonrpc, parameters
from mcp_guard.mcp.operations import naming_operation
from mcp_guard.policy.lists import LISTS, UnreadableListError, may_use, shown
from mcp_guard.policy.scopes import NO_GRANTS, Operation, compile_grants, compile_scopes
from mcp_guard.policy.templates import MAX_EXPRESSIONS, MAX_LENGTH, makes

GRANTS: Final = compile_grants(
    [
        "tools/call:read",
        "tools/call:1",
        "prompts/get:summary",
        "resources/read:note://public/*",
        "resources/read:note://one/1",
        "resources/subscribe:feed://news/*",
    ]
)

MAKES: Final = (
    ("note://{space}/{id}", "note://public/", False, True),
    ("note://public/{id}", "note://public/", False, True),
    ("note://public/docs/{id}", "note://public/", False, True),
    ("note://private/{id}", "note://public/", False, False),
    ("note://{id}", "note://public/", False, False),
    ("note://{+path}", "note://public/", False, True),
    ("note://{path*}", "note://public/", False, True),
    ("{+uri}", "note://public/", False, True),
    ("note:{/way}", "note://public/", False, True),
    ("note:/{/way}", "note://public/", False, True),
    ("note://public{/way*}", "note://public/", False, True),
    ("note://public{a}{b}/{c}", "note://public/", False, True),
    ("note://public", "note://public/", False, False),
    ("note://public/", "note://public/", False, True),
    ("note://public/x", "note://public/", False, True),
    ("note://pub", "note://public/", False, False),
    ("note://{a}/{b}", "note://one/1", True, True),
    ("note://one/{b}", "note://one/1", True, True),
    ("note://one/1{b}", "note://one/1", True, True),
    ("note://one/{b}2", "note://one/1", True, False),
    ("note://one/1", "note://one/1", True, True),
    ("note://one/1/", "note://one/1", True, False),
    ("note://one/{b}/", "note://one/1", True, False),
    ("note://{a}", "note://one/1", True, False),
    ("note://{a}", "note://one?x", True, False),
    ("note://{a}", "note://one#x", True, False),
    ("note://one/{b", "note://one/1", True, False),
    ("note://one/{b}}", "note://one/1", True, False),
    ("note://one/{}", "note://one/1", True, False),
    ("note://one/{{b}}", "note://one/1", True, False),
    ("x" + "{a}" * MAX_EXPRESSIONS, "xyz", True, True),
    ("x" + "{a}" * (MAX_EXPRESSIONS + 1), "xyz", True, False),
    ("x{" + "a" * (MAX_LENGTH - 3) + "}", "x", True, True),
    ("x{" + "a" * (MAX_LENGTH - 2) + "}", "x", True, False),
)
"""A template, a text, whether the text is a whole URI, and whether the template may make it."""

NAMED: Final = (
    ("tools/list", {"name": "read"}, True),
    ("tools/list", {"name": "write"}, False),
    ("tools/list", {"name": ""}, False),
    ("tools/list", {"name": ["read"]}, False),
    ("tools/list", {"name": 1}, False),
    ("tools/list", {"uri": "read"}, False),
    ("tools/list", "read", False),
    ("prompts/list", {"name": "summary"}, True),
    ("prompts/list", {"name": "read"}, False),
    ("resources/list", {"uri": "note://public/1"}, True),
    ("resources/list", {"uri": "note://public/../1"}, False),
    ("resources/list", {"uri": "note://one/1"}, True),
    ("resources/list", {"uri": "note://one/2"}, False),
    ("resources/list", {"uri": "feed://news/1"}, True),
    ("resources/list", {"uri": "note://{space}/1"}, False),
    ("resources/templates/list", {"uriTemplate": "note://{space}/1"}, True),
    ("resources/templates/list", {"uriTemplate": "feed://{a}/1"}, True),
    ("resources/templates/list", {"uriTemplate": "feed://old/{id}"}, False),
    ("resources/templates/list", {"uriTemplate": "note://one/{id}"}, True),
)

SCHEMA: Final = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "size": {"type": "integer", "x-mcp-header": "Size"},
        "dry": {"type": "boolean", "x-mcp-header": "Dry"},
        "deep": {"type": "object", "properties": {"way": {"type": "string", "x-mcp-header": "Way"}}},
        "weight": {"type": "number", "x-mcp-header": "Weight"},
        "odd": {"type": "string", "x-mcp-header": "no token"},
        "plain": {"type": "string"},
    },
}
REPEATED: Final[tuple[tuple[dict[str, bytes], dict[str, Any], bool], ...]] = (
    ({}, {}, True),
    ({"region": b"eu"}, {"region": "eu"}, True),
    ({"region": b"=?base64?ZXU=?="}, {"region": "eu"}, True),
    ({"region": b"us"}, {"region": "eu"}, False),
    ({"region": b"=?base64?ZXU?="}, {"region": "eu"}, False),
    ({}, {"region": "eu"}, False),
    ({"region": b"eu"}, {}, False),
    ({"region": b"eu"}, {"region": None}, False),
    ({}, {"region": None}, True),
    ({}, {"region": ["eu"]}, True),
    ({"region": b"42"}, {"region": 42}, True),
    ({"region": b"42.0"}, {"region": 42}, False),
    ({"size": b"42"}, {"size": 42}, True),
    ({"size": b"42"}, {"size": 42.0}, True),
    ({"size": b"41"}, {"size": 42}, False),
    ({"size": b"=?base64?!?="}, {"size": 42}, False),
    ({"size": b"42.0"}, {"size": 42}, True),
    ({"size": b"42.5"}, {"size": 42}, False),
    ({"size": b"42.5"}, {"size": 42.5}, True),
    ({"size": b"42"}, {"size": 42.5}, False),
    ({"size": b"-1"}, {"size": -1}, True),
    ({"size": b"0x2a"}, {"size": 42}, False),
    ({"size": b"1"}, {"size": True}, False),
    ({"size": b"42"}, {"size": "42"}, True),
    ({"size": b"42.0"}, {"size": "42"}, False),
    ({"dry": b"true"}, {"dry": True}, True),
    ({"dry": b"false"}, {"dry": False}, True),
    ({"dry": b"True"}, {"dry": True}, False),
    ({"way": b"up"}, {"deep": {"way": "up"}}, True),
    ({"way": b"up"}, {"deep": {"way": "down"}}, False),
    ({"way": b"up"}, {"deep": "way"}, False),
    ({"weight": b"1"}, {"weight": 2}, True),
    ({"plain": b"1"}, {"plain": "2"}, True),
    ({"odd": b"1"}, {"odd": "2"}, True),
)
"""Headers, arguments, and whether they agree under the schema."""

SCOPES: Final = ((["a"], frozenset()), (["b"], frozenset({"x"})), (["c"], frozenset({"x", "y"})))

MODERN: Final = {b"mcp-protocol-version": b"2026-07-28"}

TWICE: Final = {
    "properties": {
        "a": {"type": "string", "x-mcp-header": "Region"},
        "b": {"type": "string", "x-mcp-header": "REGION"},
    }
}
BELOW_A_LIST: Final = {"items": {"properties": {"a": {"type": "string", "x-mcp-header": "Region"}}}}
AT_THE_ROOT: Final = {"type": "string", "x-mcp-header": "Region"}


def _agree(said: Mapping[str, bytes], arguments: Mapping[str, Any], schema: Any = SCHEMA) -> bool:
    headers = {f"mcp-param-{name}".encode(): value for name, value in said.items()}
    return parameters.disagreement(headers, arguments, schema) is None


def _is_unreadable(result: dict[str, Any]) -> bool:
    try:
        shown(result, GRANTS)
    except UnreadableListError:
        return True
    return False


def _shows() -> bool:
    """Whether a list loses what may not be used and nothing else."""
    read, write = {"name": "read", "x": 1}, {"name": "write"}
    result = {"tools": [write, read, write], "nextCursor": "c", "_meta": {}}
    same = {"tools": [read], "prompts": [], "cacheScope": "private"}
    return (
        shown(result, GRANTS) == {"tools": [read], "nextCursor": "c", "_meta": {}}
        and shown(same, GRANTS) is same
        and shown({**same, "cacheScope": "public"}, GRANTS) == same
        and shown({"cacheScope": "public"}, GRANTS) == {"cacheScope": "public"}
        and shown({"tools": [read], "prompts": [write]}, GRANTS) == {"tools": [read], "prompts": []}
        and shown({"tools": [read]}, NO_GRANTS) == {"tools": []}
    )


def _repeats(method: str, said: str, **params: Any) -> bool:
    """Whether a message of the modern era agrees with headers that say eu as the region."""
    text = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    message = jsonrpc.parse(text, lambda _: False)
    assert isinstance(message, jsonrpc.Message)
    headers = {
        **MODERN,
        b"mcp-method": method.encode(),
        b"mcp-name": said.encode(),
        b"mcp-param-region": b"eu",
    }
    return agreement.disagreement(headers, message, lambda name: SCHEMA if name == "read" else None) is None


def _unreadable(name: str) -> NoReturn:
    raise agreement.SchemaUnreadableError(name)


def _passes_uncompared(**said: bytes) -> bool:
    """Whether a call passes with such headers of arguments where nobody can tell what its tool takes."""
    text = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read"}}'
    message = jsonrpc.parse(text, lambda _: False)
    assert isinstance(message, jsonrpc.Message)
    headers = {**MODERN, b"mcp-method": b"tools/call", b"mcp-name": b"read"}
    headers |= {f"mcp-param-{name}".encode(): value for name, value in said.items()}
    return agreement.disagreement(headers, message, _unreadable) is None


def _template(text: str) -> Operation:
    return Operation("resources/read", text, is_template=True)


CHECKS: Final[dict[str, Callable[[], bool]]] = {
    "templates make what they may make": lambda: all(
        makes(template, text, whole=whole) is made for template, text, whole, made in MAKES
    ),
    "what may be used is shown": lambda: all(
        may_use(item, LISTS[method], GRANTS) is used for method, item, used in NAMED
    ),
    "lists lose what may not be used": _shows,
    "a list that is none is unreadable": lambda: (
        _is_unreadable({"tools": {"read": {}}}) and not _is_unreadable({"tools": []})
    ),
    "headers repeat arguments": lambda: all(_agree(said, given) is agree for said, given, agree in REPEATED),
    "a schema that cannot be repeated repeats nothing": lambda: all(
        _agree({"region": b"x"}, {"a": "y"}, schema)
        for schema in (TWICE, BELOW_A_LIST, AT_THE_ROOT, None, True)
    ),
    "a name may hold what is not printed, but no control character": lambda: (
        naming_operation("tools/call", {"name": "a\u2028b"}) == Operation("tools/call", "a\u2028b")
        and naming_operation("tools/call", {"name": "a\x9fb"}) is None
    ),
    "a scope counts where it says": lambda: (
        [sorted(compile_scopes(SCOPES).at(name).exact) for name in ("x", "y", "z")]
        == [["a", "b", "c"], ["a", "c"], ["a"]]
        and compile_scopes(SCOPES).exact == {"a"}
        and compile_scopes([]) == NO_GRANTS
    ),
    "what nobody can compare is not let pass": lambda: (
        _passes_uncompared() and not _passes_uncompared(region=b"eu")
    ),
    "a schema is asked of the tool that is called": lambda: (
        _repeats("tools/call", "read", name="read", arguments={"region": "eu"})
        and not _repeats("tools/call", "read", name="read", arguments={"region": "us"})
        and not _repeats("tools/call", "read", name="read")
        and not _repeats("tools/call", "read", name="read", arguments=["eu"])
        and _repeats("tools/call", "write", name="write", arguments={"region": "us"})
        and _repeats("prompts/get", "read", name="read", arguments={"region": "us"})
        and _repeats("tools/call", "read", arguments={"region": "us"})
    ),
    "the grant that opens a template is told": lambda: (
        GRANTS.opener(_template("note://{a}/1")) == "resources/read:note://one/1"
        and GRANTS.opener(_template("note://public/{a}")) == "resources/read:note://public/*"
        and GRANTS.opener(_template("feed://news/{a}")) is None
        and compile_grants(["tools/call:read"]).opener(_template("{+any}")) is None
        and compile_grants(["resources/subscribe:feed://news/*"]).opener(_template("{+any}")) is None
    ),
    "a template asks for what begins as it does": lambda: (
        _template("note://a/b{c}/d").grants == ["resources/read:note://a/*"]
        and _template("note://a/b").grants == ["resources/read:note://a/b"]
        and _template("note://{a}/b").grants == []
        and _template("note:{a}").grants == []
        and Operation("resources/read", "note://{a}").grants == ["resources/read:note://{a}"]
    ),
}
