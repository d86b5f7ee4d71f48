"""The strict parser: a table of what it refuses, and properties of all it accepts."""

from __future__ import annotations

import json
import string
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from mcp.types import jsonrpc_message_adapter

from mcp_guard.mcp.jsonrpc import (
    INVALID_REQUEST,
    MALFORMED_BEARER,
    NO_BEARER,
    PARSE_ERROR,
    BearerText,
    Defect,
    Kind,
    Malformed,
    Message,
    parse,
)
from mcp_guard.mcp.strict_json import MAX_DEPTH, JSONDefect
from mcp_guard.policy.scopes import NAMED_BY, Operation

PING = '{"jsonrpc":"2.0","id":1,"method":"ping"%s}'
CALL = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":%s}'


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


REFUSED: dict[str, tuple[bytes | str, JSONDefect | Defect, str | int | None]] = {
    "nothing": ("", JSONDefect.NOT_JSON, None),
    "not utf-8": (b'{"jsonrpc":"2.0","id":1,"method":"ping\xff"}', JSONDefect.NOT_UTF8, None),
    "overlong utf-8": (b'{"jsonrpc":"2.0","id":1,"method":"ping\xc0\xaf"}', JSONDefect.NOT_UTF8, None),
    "surrogates in utf-8": (b'"\xed\xa0\x80"', JSONDefect.NOT_UTF8, None),
    "surrogate in text": ('{"jsonrpc":"2.0","id":"\ud800","method":"ping"}', JSONDefect.NOT_UTF8, None),
    "utf-16": (PING.replace("%s", "").encode("utf-16"), JSONDefect.NOT_UTF8, None),
    "byte order mark": (b"\xef\xbb\xbf" + (PING % "").encode(), JSONDefect.NOT_JSON, None),
    "byte order mark in text": ("\ufeff" + PING % "", JSONDefect.NOT_JSON, None),
    "trailing document": (PING % "" + "{}", JSONDefect.NOT_JSON, None),
    "trailing NUL": (PING % "" + "\0", JSONDefect.NOT_JSON, None),
    "no-break space": ("\u00a0" + PING % "", JSONDefect.NOT_JSON, None),
    "single quotes": ("{'jsonrpc':'2.0'}", JSONDefect.NOT_JSON, None),
    "trailing comma": ('{"jsonrpc":"2.0",}', JSONDefect.NOT_JSON, None),
    "comment": (PING % "/**/", JSONDefect.NOT_JSON, None),
    "control character in a string": (
        '{"jsonrpc":"2.0","id":"\n","method":"ping"}',
        JSONDefect.NOT_JSON,
        None,
    ),
    "cut off": ((PING % "")[:-1], JSONDefect.NOT_JSON, None),
    "repeated member": (PING % ',"id":2', JSONDefect.REPEATED_MEMBER, None),
    "repeated method": (PING % ',"method":"tools/list"', JSONDefect.REPEATED_MEMBER, None),
    "repeated member, escaped": (PING % ',"\\u0069d":2', JSONDefect.REPEATED_MEMBER, None),
    "repeated name": (CALL % '{"name":"a","name":"b"}', JSONDefect.REPEATED_MEMBER, None),
    "repeated deep down": (
        CALL % '{"name":"a","arguments":[{"b":1,"b":2}]}',
        JSONDefect.REPEATED_MEMBER,
        None,
    ),
    "repeated __proto__": (PING % ',"__proto__":{},"__proto__":{}', JSONDefect.REPEATED_MEMBER, None),
    "NaN": (PING % ',"x":NaN', JSONDefect.NUMBER, None),
    "Infinity": (PING % ',"x":Infinity', JSONDefect.NUMBER, None),
    "-Infinity": (PING % ',"x":-Infinity', JSONDefect.NUMBER, None),
    "overflow": (PING % ',"x":1e999', JSONDefect.NUMBER, None),
    "overflow below": (PING % ',"x":-1.0e999', JSONDefect.NUMBER, None),
    "endless integer": (PING % (',"x":' + "9" * 5000), JSONDefect.NUMBER, None),
    "half a pair": (PING % ',"x":"\\ud800"', JSONDefect.SURROGATE, None),
    "half a pair in a name": (PING % ',"\\uDFFF":1', JSONDefect.SURROGATE, None),
    "pair the wrong way round": (PING % ',"x":"\\udc00\\ud800"', JSONDefect.SURROGATE, None),
    "arrays too deep": (PING % (',"x":' + nested(MAX_DEPTH)), JSONDefect.DEPTH, None),
    "objects too deep": (
        PING % (',"x":' + '{"a":' * (MAX_DEPTH - 1) + "{}" + "}" * (MAX_DEPTH - 1)),
        JSONDefect.DEPTH,
        None,
    ),
    "arrays beyond the stack": (nested(200_000), JSONDefect.DEPTH, None),
    "objects beyond the stack": ('{"a":' * 200_000, JSONDefect.DEPTH, None),
    "batch": (f"[{PING % ''}]", Defect.BATCH, None),
    "empty batch": ("[]", Defect.BATCH, None),
    "a string": ('"ping"', Defect.NOT_AN_OBJECT, None),
    "null": ("null", Defect.NOT_AN_OBJECT, None),
    "a number": ("1", Defect.NOT_AN_OBJECT, None),
    "empty object": ("{}", Defect.VERSION, None),
    "no version": ('{"id":1,"method":"ping"}', Defect.VERSION, 1),
    "version 1.0": ('{"jsonrpc":"1.0","id":1,"method":"ping"}', Defect.VERSION, 1),
    "version as a number": ('{"jsonrpc":2.0,"id":1,"method":"ping"}', Defect.VERSION, 1),
    "id true": ('{"jsonrpc":"2.0","id":true,"method":"ping"}', Defect.ID, None),
    "id null": ('{"jsonrpc":"2.0","id":null,"method":"ping"}', Defect.ID, None),
    "id 1.0": ('{"jsonrpc":"2.0","id":1.0,"method":"ping"}', Defect.ID, None),
    "id object": ('{"jsonrpc":"2.0","id":{},"method":"ping"}', Defect.ID, None),
    "id array": ('{"jsonrpc":"2.0","id":[1],"method":"ping"}', Defect.ID, None),
    "method a number": ('{"jsonrpc":"2.0","id":7,"method":1}', Defect.METHOD, 7),
    "method null": ('{"jsonrpc":"2.0","id":7,"method":null}', Defect.METHOD, 7),
    "method empty": ('{"jsonrpc":"2.0","id":7,"method":""}', Defect.METHOD, 7),
    "method with a space": ('{"jsonrpc":"2.0","id":7,"method":"tools/call "}', Defect.METHOD, 7),
    "method with a newline": ('{"jsonrpc":"2.0","id":7,"method":"ping\\n"}', Defect.METHOD, 7),
    "method with an accent": ('{"jsonrpc":"2.0","id":7,"method":"p\u00efng"}', Defect.METHOD, 7),
    "method too long": ('{"jsonrpc":"2.0","id":7,"method":"' + "a" * 257 + '"}', Defect.METHOD, 7),
    "params an array": (CALL % '["read_note"]', Defect.PARAMS, 1),
    "params null": (CALL % "null", Defect.PARAMS, 1),
    "params a string": (CALL % '"read_note"', Defect.PARAMS, 1),
    "no name": (CALL % "{}", Defect.NAME, 1),
    "no params": ('{"jsonrpc":"2.0","id":1,"method":"tools/call"}', Defect.NAME, 1),
    "name empty": (CALL % '{"name":""}', Defect.NAME, 1),
    "name null": (CALL % '{"name":null}', Defect.NAME, 1),
    "name a list": (CALL % '{"name":["a"]}', Defect.NAME, 1),
    "name with a newline": (CALL % '{"name":"a\\nb"}', Defect.NAME, 1),
    "name with a C1 character": (CALL % '{"name":"a\\u0085"}', Defect.NAME, 1),
    "uri instead of name": (CALL % '{"uri":"note://1"}', Defect.NAME, 1),
    "request without id": ('{"jsonrpc":"2.0","method":"tools/list"}', Defect.REQUEST_WITHOUT_ID, None),
    "call without id": (
        '{"jsonrpc":"2.0","method":"tools/call","params":{"name":"a"}}',
        Defect.REQUEST_WITHOUT_ID,
        None,
    ),
    "notification with id": (
        '{"jsonrpc":"2.0","id":1,"method":"notifications/cancelled"}',
        Defect.NOTIFICATION_WITH_ID,
        1,
    ),
    "nothing but an id": ('{"jsonrpc":"2.0","id":1}', Defect.RESPONSE, 1),
    "result and error": (
        '{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}',
        Defect.RESPONSE,
        1,
    ),
    "result null": ('{"jsonrpc":"2.0","id":1,"result":null}', Defect.RESPONSE, 1),
    "result a string": ('{"jsonrpc":"2.0","id":1,"result":"x"}', Defect.RESPONSE, 1),
    "error a string": ('{"jsonrpc":"2.0","id":1,"error":"x"}', Defect.RESPONSE, 1),
    "error without message": ('{"jsonrpc":"2.0","id":1,"error":{"code":1}}', Defect.RESPONSE, 1),
    "error code a string": ('{"jsonrpc":"2.0","id":1,"error":{"code":"1","message":""}}', Defect.RESPONSE, 1),
    "error code true": ('{"jsonrpc":"2.0","id":1,"error":{"code":true,"message":""}}', Defect.RESPONSE, 1),
    "response without id": ('{"jsonrpc":"2.0","result":{}}', Defect.ID, None),
    "call and result at once": (PING % ',"result":{}', Defect.RESPONSE, 1),
    "call and error at once": (PING % ',"error":{"code":1,"message":""}', Defect.RESPONSE, 1),
}


@pytest.mark.parametrize(("raw", "defect", "identifier"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(raw: bytes | str, defect: JSONDefect | Defect, identifier: str | int | None) -> None:
    assert parse(raw) == Malformed(defect, identifier)


def test_every_defect_is_in_the_table() -> None:
    assert {defect for _, defect, _ in REFUSED.values()} == {*JSONDefect, *Defect}


def test_unreadable_text_and_bad_requests_have_their_own_codes() -> None:
    assert {Malformed(defect).code for defect in JSONDefect} == {PARSE_ERROR}
    assert {Malformed(defect).code for defect in Defect} == {INVALID_REQUEST}


ACCEPTED: dict[str, tuple[str, Kind, str | int | None, Operation | None]] = {
    "ping": (PING % "", Kind.REQUEST, 1, Operation("ping")),
    "spaces around": (" \r\n\t" + PING % "" + "\n", Kind.REQUEST, 1, Operation("ping")),
    "id 0": ('{"jsonrpc":"2.0","id":0,"method":"ping"}', Kind.REQUEST, 0, Operation("ping")),
    "id negative": ('{"jsonrpc":"2.0","id":-1,"method":"ping"}', Kind.REQUEST, -1, Operation("ping")),
    "id beyond 64 bits": (
        f'{{"jsonrpc":"2.0","id":{2**80},"method":"ping"}}',
        Kind.REQUEST,
        2**80,
        Operation("ping"),
    ),
    "id empty": ('{"jsonrpc":"2.0","id":"","method":"ping"}', Kind.REQUEST, "", Operation("ping")),
    "call": (CALL % '{"name":"a"}', Kind.REQUEST, 1, Operation("tools/call", "a")),
    "call by escapes": (CALL % '{"\\u006eame":"\\u0061"}', Kind.REQUEST, 1, Operation("tools/call", "a")),
    "name with a pair": (
        CALL % '{"name":"\\ud83d\\ude00"}',
        Kind.REQUEST,
        1,
        Operation("tools/call", "\U0001f600"),
    ),
    "read": (
        '{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"note://1","name":"x"}}',
        Kind.REQUEST,
        1,
        Operation("resources/read", "note://1"),
    ),
    "unknown method": ('{"jsonrpc":"2.0","id":1,"method":"x/y"}', Kind.REQUEST, 1, Operation("x/y")),
    "notification": (
        '{"jsonrpc":"2.0","method":"notifications/initialized"}',
        Kind.NOTIFICATION,
        None,
        Operation("notifications/initialized"),
    ),
    "result": ('{"jsonrpc":"2.0","id":"a","result":{}}', Kind.RESPONSE, "a", None),
    "error": ('{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"m"}}', Kind.RESPONSE, 1, None),
    "unknown members": (PING % ',"__proto__":{"admin":true},"x":[1.5e3]', Kind.REQUEST, 1, Operation("ping")),
    "as deep as can be": (PING % (',"x":' + nested(MAX_DEPTH - 1)), Kind.REQUEST, 1, Operation("ping")),
    "brackets in strings": (PING % (',"x":"%s"' % ("[{" * 200)), Kind.REQUEST, 1, Operation("ping")),
}


@pytest.mark.parametrize(("raw", "kind", "identifier", "operation"), ACCEPTED.values(), ids=ACCEPTED.keys())
def test_accepted(raw: str, kind: Kind, identifier: str | int | None, operation: Operation | None) -> None:
    message = parse(raw)
    assert isinstance(message, Message)
    assert (message.kind, message.id, message.operation) == (kind, identifier, operation)
    assert message.method == (operation.method if operation else None)
    assert message.payload == json.loads(raw)
    assert parse(raw.encode()) == message


@pytest.mark.parametrize("method", NAMED_BY)
def test_methods_that_name_something_need_the_name(method: str) -> None:
    params = {NAMED_BY[method]: "note://1"}
    message = parse(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
    assert isinstance(message, Message)
    assert message.operation == Operation(method, "note://1")
    without = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"x": "note://1"}})
    assert parse(without) == Malformed(Defect.NAME, 1)


@pytest.mark.parametrize(
    ("auth", "bearer"),
    [
        ('{"bearer":"abc"}', BearerText("abc")),
        ('{"bearer":"abc","other":1}', BearerText("abc")),
        ('{"bearer":""}', BearerText("")),
        ('{"bearer":null}', MALFORMED_BEARER),
        ('{"bearer":["abc"]}', MALFORMED_BEARER),
        ("{}", MALFORMED_BEARER),
        ("null", MALFORMED_BEARER),
        ('"abc"', MALFORMED_BEARER),
    ],
)
def test_auth_member_is_read_and_taken_out(auth: str, bearer: object) -> None:
    for raw in (
        PING % f',"auth":{auth}',
        f'{{"jsonrpc":"2.0","method":"notifications/initialized","auth":{auth}}}',
        f'{{"jsonrpc":"2.0","id":1,"result":{{}},"auth":{auth}}}',
    ):
        message = parse(raw)
        assert isinstance(message, Message)
        assert message.bearer == bearer
        assert type(message.bearer) is type(bearer)
        assert "auth" not in message.payload


def test_auth_elsewhere_is_nobody_s_credential() -> None:
    message = parse(PING % ',"params":{"auth":{"bearer":"abc"}}')
    assert isinstance(message, Message)
    assert message.bearer == NO_BEARER
    assert message.payload["params"] == {"auth": {"bearer": "abc"}}


def test_a_token_stands_in_no_representation() -> None:
    message = parse(PING % ',"auth":{"bearer":"mcpg_secret"}')
    assert "mcpg_secret" not in repr(message)


ALPHABET = 'ab/:*.0 "\\\n\u007f\u00e9\u2028\U0001f600'
texts = st.text(ALPHABET, max_size=8)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(texts, values, max_size=3)
names = st.text("ab/:*. \u00e9\u2028\U0001f600", min_size=1, max_size=8)
ids = st.integers() | texts
named = st.builds(
    lambda method, name, more: {"method": method, "params": {**more, NAMED_BY[method]: name}},
    st.sampled_from(list(NAMED_BY)), names, objects,
)  # fmt: skip
unnamed = st.fixed_dictionaries(
    {"method": st.sampled_from(["ping", "initialize", "tools/list", "x"])}, optional={"params": objects}
)
requests = st.builds(lambda call, identifier: {**call, "id": identifier}, named | unnamed, ids)
notifications = st.fixed_dictionaries(
    {"method": st.sampled_from(["notifications/initialized", "notifications/x"])},
    optional={"params": objects},
)
results = st.fixed_dictionaries({"id": ids, "result": objects})
errors = st.fixed_dictionaries(
    {
        "id": ids,
        "error": st.fixed_dictionaries({"code": st.integers(), "message": texts}, optional={"data": values}),
    }
)
harmless = st.fixed_dictionaries({}, optional={"auth": values, "__proto__": values, "meta": values})
good = st.builds(
    lambda message, more: {**more, "jsonrpc": "2.0", **message},
    requests | notifications | results | errors,
    harmless,
)
MEMBERS = ("jsonrpc", "id", "method", "params", "result", "error")
spoiled = st.builds(
    lambda message, strays, dropped: {
        name: value for name, value in {**message, **strays}.items() if name not in dropped
    },
    good,
    st.fixed_dictionaries({}, optional=dict.fromkeys(MEMBERS, values)),
    st.sets(st.sampled_from(MEMBERS), max_size=2),
)


patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # machines are shared


@patient
@given(st.one_of(st.binary(), st.text(ALPHABET + string.punctuation)))
@example("\ud800")
@example(b"\xed\xa0\x80")
def test_total_on_anything(raw: bytes | str) -> None:
    assert isinstance(parse(raw), Message | Malformed)


@given(
    st.lists(st.sampled_from(["[", "]", "{", "}", '"', ":", ",", "1", "e9", "\\u", "d800", "NaN", "-", " "]))
)
def test_total_on_scraps_of_json(scraps: list[str]) -> None:
    assert isinstance(parse("".join(scraps)), Message | Malformed)


@patient
@given(good)
def test_a_good_message_is_accepted_as_it_is(document: dict[str, Any]) -> None:
    message = parse(json.dumps(document))
    assert isinstance(message, Message)
    assert message.payload == {name: value for name, value in document.items() if name != "auth"}
    assert_the_sdk_reads_the_same(message)


@patient
@given(spoiled)
def test_whatever_is_accepted_the_sdk_reads_alike(document: dict[str, Any]) -> None:
    message = parse(json.dumps(document))
    if isinstance(message, Message):
        assert_the_sdk_reads_the_same(message)


def assert_the_sdk_reads_the_same(message: Message) -> None:
    member = "result" if message.kind is Kind.RESPONSE else "params"
    for read in (
        jsonrpc_message_adapter.validate_python(message.payload, by_name=False),
        jsonrpc_message_adapter.validate_json(json.dumps(message.payload), by_name=False),
    ):
        assert getattr(read, "id", None) == message.id
        assert type(getattr(read, "id", None)) is type(message.id)
        assert getattr(read, "method", None) == message.method
        assert getattr(read, member, None) == message.payload.get(member)
        if "error" in message.payload:
            assert read.error.code == message.payload["error"]["code"]  # type: ignore[union-attr]
            assert read.error.message == message.payload["error"]["message"]  # type: ignore[union-attr]
