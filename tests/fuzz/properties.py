"""What holds for any input: nothing raises, and whatever is let in is what was judged.

Standard library and pure modules only, so that atheris can run it in an environment of its own.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Final

from mcp_guard.mcp import agreement, answers, header_value, jsonrpc
from mcp_guard.mcp.event_stream import EventStream, TooLongError
from mcp_guard.policy.lists import LISTS, UnreadableListError
from mcp_guard.policy.scopes import NAMED_BY, NO_GRANTS, Grants, Operation, compile_grants

GRANTS: Final = compile_grants(
    [
        "tools/call:a",
        "tools/call:read_note",
        "prompts/get:summary",
        "resources/read:note://public/*",
        "resources/read:note://a/b",
        "resources/subscribe:note://public/*",
        "completion/complete",
        "subscriptions/listen",
    ]
)
MODERN: Final = b"2026-07-28"


def check(raw: bytes) -> None:
    """Check all properties of one input, taken as a message, as an answer and as an event stream."""
    check_message(raw)
    check_answer(raw)
    check_stream(raw)


def check_message(raw: bytes) -> jsonrpc.Message | None:
    """Check what a message is read as; return it where it is one."""
    read = jsonrpc.parse(raw)
    if isinstance(read, jsonrpc.Malformed):
        assert read.code in (-32700, -32600)
        return None
    for document in (json.loads(raw), json.loads(raw, object_pairs_hook=_first_wins)):
        document.pop("auth", None)
        assert read.payload == document, "another reader reads something else"
    again = jsonrpc.parse(json.dumps(read.payload))
    assert isinstance(again, jsonrpc.Message)
    assert again._replace(bearer=read.bearer) == read, "what is forwarded is not what was judged"
    check_operation(read)
    check_agreement(read)
    return read


def check_operation(message: jsonrpc.Message) -> None:
    """Check that a message is judged by what stands in it, and let in by nothing but a grant for that."""
    operation = message.operation
    if operation is None:
        assert message.kind is jsonrpc.Kind.RESPONSE
        return
    assert operation.method == message.payload["method"]
    if operation.method in NAMED_BY:
        assert operation.name == message.payload["params"][NAMED_BY[operation.method]]
    assert NO_GRANTS.cover(operation) is operation.is_free
    if GRANTS.cover(operation) and not operation.is_free:
        for needed in (operation, *operation.also):
            assert is_opened(needed, GRANTS), f"{needed} is let in"


def is_opened(operation: Operation, grants: Grants) -> bool:
    """Whether some grant opens an operation, said in another way than the rules do."""
    if operation.is_template:
        return any(grant.startswith(f"{operation.method}:") for grant in (*grants.exact, *grants.prefixes))
    wanted = operation.method if operation.name is None else f"{operation.method}:{operation.name}"
    climbs = any(part in (".", "..") for part in wanted.replace("?", "/").replace("#", "/").split("/"))
    return wanted in grants.exact or (not climbs and any(wanted.startswith(p) for p in grants.prefixes))


def check_agreement(message: jsonrpc.Message) -> None:
    """Check that headers agree with the message that they were made of, and with no other one."""
    if message.method is None:
        return
    headers = {b"mcp-protocol-version": MODERN, b"mcp-method": message.method.encode()}
    name = None if message.operation is None else message.operation.name
    if name is not None:
        headers[b"mcp-name"] = encoded(name)
        assert header_value.decoded(headers[b"mcp-name"]) == name
    if "_meta" in (message.payload.get("params") or {}):
        return
    assert agreement.disagreement(headers, message) is None
    assert agreement.disagreement({**headers, b"mcp-method": b"x" + message.method.encode()}, message)
    if message.method in agreement.REPEATED_NAME and name is not None:
        assert agreement.disagreement({**headers, b"mcp-name": encoded(name + "x")}, message)


def encoded(name: str) -> bytes:
    """Return a name as a client writes it into a header."""
    return b"=?base64?" + base64.b64encode(name.encode()) + b"?="


def check_answer(raw: bytes) -> None:
    """Check that of an answer nothing is left that may not be used, and that nothing else is lost."""
    text = raw.decode("utf-8", "replace")
    for read in (
        answers.restricted,
        lambda text, grants: answers.restricted_list(text.encode(), grants).decode(),
    ):
        try:
            visible = read(text, GRANTS)
            nothing = read(text, NO_GRANTS)
        except UnreadableListError:
            continue
        if visible != text:
            assert read(visible, GRANTS) == visible, "restricting twice hides more"
        _check_names(visible, GRANTS)
        _check_names(nothing, NO_GRANTS)


def _check_names(text: str, grants: Grants) -> None:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return
    for message in document if isinstance(document, list) else [document]:
        result = message.get("result") if isinstance(message, dict) else None
        if not isinstance(result, dict):
            continue
        for listing in LISTS.values():
            for item in result.get(listing.member, []):
                name = item[listing.named_by]
                is_template = listing.named_by == "uriTemplate"
                used = [Operation(method, name, is_template=is_template) for method in listing.used_by]
                assert any(is_opened(operation, grants) for operation in used), f"{name} is shown"


def check_stream(raw: bytes) -> None:
    """Check that a stream passes whole, whatever it is cut into."""
    assert streamed([raw], _same) == raw
    cuts = [raw[at : at + 7] for at in range(0, len(raw), 7)]
    assert streamed(cuts, _same) == raw
    try:
        shown = streamed(cuts, _visible)
        assert shown == streamed([raw], _visible), "what is shown depends on how it is cut"
    except TooLongError:
        return


def streamed(parts: list[bytes], rewrite: Any) -> bytes:
    """Return what goes out of a stream that comes in parts."""
    stream = EventStream(1 << 20)
    return b"".join(stream.feed(part, rewrite) for part in parts) + stream.end(rewrite)


def _same(text: str) -> str:
    return text


def _visible(text: str) -> str:
    try:
        return answers.restricted(text, GRANTS)
    except UnreadableListError:
        return "withheld"


def _first_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        found.setdefault(name, value)
    return found
