"""Restrict what a server answers: of a list only what its reader may use, everything else as it is.

What is a list is told by its shape, not by the id of a request that asked for one: there is nothing to
remember, and a list that a server volunteers is restricted like one that was asked for.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from mcp_guard.mcp.jsonrpc import RequestId
from mcp_guard.mcp.strict_json import NotStrictJSONError, decode
from mcp_guard.policy import reply
from mcp_guard.policy.decision import CorsGrant, Fault, Reason, Refused
from mcp_guard.policy.lists import LISTS, UnreadableListError, shown
from mcp_guard.policy.scopes import Grants

MAX_CONTAINERS: Final = 500_000
"""How many objects and arrays an answer may hold: schemas of many tools need more than a message does."""

MAX_DEPTH: Final = 256
"""How many objects and arrays of an answer may lie in one another."""

INTERNAL_ERROR: Final = -32603
"""JSON-RPC: the server failed."""

_MARKS: Final = tuple(f'"{listing.member}"' for listing in LISTS.values())
_END_OF_MARKS: Final = 's"'
"""What all of them end with: most answers are done with once that is looked for."""

if not all(mark.endswith(_END_OF_MARKS) for mark in _MARKS):
    raise AssertionError("a list would not be looked for")

_MARKS_IN_BYTES: Final = tuple(mark.encode() for mark in _MARKS)
_ESCAPE: Final = "\\u00"
_ESCAPED_LETTER = re.compile(r"\\u00[4-7]")


def may_hold_list(text: str | bytes) -> bool:
    """Return whether a text has to be read to tell; what it is False for holds no list in any reading."""
    if isinstance(text, bytes):
        if any(mark in text for mark in _MARKS_IN_BYTES):
            return True
        return _ESCAPE.encode() in text and _ESCAPED_LETTER.search(text.decode("latin-1")) is not None
    if _END_OF_MARKS in text:
        for mark in _MARKS:  # a loop is several times as fast as any(), and this is asked of every answer
            if mark in text:
                return True
    return _ESCAPE in text and _ESCAPED_LETTER.search(text) is not None


def restricted(text: str, grants: Grants, own: RequestId | None = None) -> str:
    """Return a message as its reader may see it; ``text`` itself where nothing is hidden.

    ``own`` is the id of a request that is known to ask for no list: its answer passes as it is.

    Raises:
        UnreadableListError: when there may be a list in it that cannot be read for certain.
    """
    if not may_hold_list(text):
        return text
    document = _decoded(text)
    if own is not None and type(document) is dict and document.get("id") == own:
        return text
    return _written(document, _shown(document, grants), text)


def restricted_body(body: bytes, grants: Grants) -> bytes:
    """Return a whole answer that may hold a list as its reader may see it, ``body`` itself if possible.

    Raises:
        UnreadableListError: when there may be a list in it that cannot be read for certain.
    """
    text = _text(body)
    written = restricted(text, grants)
    return body if written is text else written.encode()


def restricted_list(body: bytes, grants: Grants) -> bytes:
    """Return the whole answer to a request for a list as its reader may see it, ``body`` itself if possible.

    Raises:
        UnreadableListError: when there may be a list in it that cannot be read for certain.
    """
    text = _text(body)
    if not may_hold_list(text):
        return body
    document = _decoded(text)
    if not all(_is_answer(message) for message in (document if type(document) is list else [document])):
        raise UnreadableListError("not an answer")
    written = _written(document, _shown(document, grants), text)
    return body if written is text else written.encode()


def unreadable(cors: CorsGrant | None, identifier: RequestId | None) -> Refused:
    """Return the refusal of a list that cannot be read, under the id of its request where that is known."""
    fault = Fault(INTERNAL_ERROR, reply.message(Reason.LIST_UNREADABLE))
    return Refused(Reason.LIST_UNREADABLE, cors, request_id=identifier, fault=fault)


def request_id(text: str) -> RequestId | None:
    """Return the id of a message that could not be read for certain, None where there is none to be found."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    identifier = document.get("id") if type(document) is dict else None
    return identifier if type(identifier) in (str, int) else None


def _text(body: bytes) -> str:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise UnreadableListError("not UTF-8") from None
    if "\0" in text:  # UTF-16 or UTF-32, which some readers of JSON detect
        raise UnreadableListError("not UTF-8")
    return text


def _decoded(text: str) -> Any:
    try:
        return decode(text, max_depth=MAX_DEPTH, max_containers=MAX_CONTAINERS)
    except NotStrictJSONError as error:
        raise UnreadableListError(error.defect.value) from None


def _is_answer(message: Any) -> bool:
    return type(message) is dict and ("result" in message or "error" in message)


def _shown(document: Any, grants: Grants) -> Any:
    """Return a message, or a batch of them, as its reader may see it; itself where nothing is hidden."""
    if type(document) is list:
        messages = [_shown(message, grants) for message in document]
        is_same = all(new is old for new, old in zip(messages, document, strict=True))
        return document if is_same else messages
    result = document.get("result") if type(document) is dict else None
    if type(result) is not dict:
        return document
    visible = shown(result, grants)
    return document if visible is result else {**document, "result": visible}


def _written(document: Any, visible: Any, text: str) -> str:
    if visible is document:
        return text
    return json.dumps(visible, ensure_ascii=False, separators=(",", ":"))
