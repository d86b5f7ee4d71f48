"""Read one JSON-RPC 2.0 message so that two readers cannot read it differently.

Whatever a lenient parser might take in two ways is refused: repeated members, numbers without a JSON
form, halves of surrogate pairs, batches. What is accepted comes back as values, and those values, not
the bytes, are what goes on to the server.

Sources: RFC 8259, https://www.jsonrpc.org/specification, and the MCP schema (an id is a string or an
integer, a result is an object, batches ended with revision 2025-06-18).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NamedTuple

from mcp_guard.mcp.operations import NAMING, naming_operation
from mcp_guard.mcp.strict_json import JSONDefect, NotStrictJSONError, decode
from mcp_guard.policy.scopes import Operation

PARSE_ERROR: Final = -32700
"""JSON-RPC: what arrived is not JSON."""

INVALID_REQUEST: Final = -32600
"""JSON-RPC: what arrived is JSON, but not a message."""

RequestId = str | int

_METHOD = re.compile(r"[\x21-\x7e]{1,256}")
_NOTIFICATIONS: Final = "notifications/"


class Kind(Enum):
    """What a message is for."""

    REQUEST = "request"
    NOTIFICATION = "notification"
    RESPONSE = "response"


_REQUEST: Final = Kind.REQUEST  # before Python 3.12, each look at a member of an enumeration is a call
_NOTIFICATION: Final = Kind.NOTIFICATION


class Defect(Enum):
    """Why something readable is not a message; the value may be told to whoever sent it."""

    BATCH = "batches are not accepted"
    NOT_AN_OBJECT = "the message is not an object"
    VERSION = 'jsonrpc is not "2.0"'
    ID = "id is not a string or an integer"
    METHOD = "method is not the name of a method"
    PARAMS = "params is not an object"
    NAME = "params does not name what the method is about"
    REQUEST_WITHOUT_ID = "a request has no id"
    NOTIFICATION_WITH_ID = "a notification has an id"
    RESPONSE = "a response needs either a result or an error, and no method"


@dataclass(frozen=True, slots=True)
class NoBearer:
    """The message has no ``auth`` member."""


@dataclass(frozen=True, slots=True)
class MalformedBearer:
    """The message has an ``auth`` member without a ``bearer`` text in it."""


class BearerText(NamedTuple):
    """What the message presents as a token, judged by nobody yet."""

    text: str

    def __repr__(self) -> str:
        """Return a representation that may stand in a traceback: without the text."""
        return "BearerText(…)"


Bearer = NoBearer | MalformedBearer | BearerText

NO_BEARER: Final = NoBearer()
MALFORMED_BEARER: Final = MalformedBearer()


class Message(NamedTuple):
    """One message. ``payload`` is all of it except its ``auth`` member.

    ``id`` is None for notifications, ``method`` and ``operation`` are None for responses.
    """

    kind: Kind
    id: RequestId | None
    method: str | None
    operation: Operation | None
    bearer: Bearer
    payload: dict[str, Any]


class Malformed(NamedTuple):
    """Something that is no message; ``id`` is its request id where that is beyond doubt, else None."""

    defect: JSONDefect | Defect
    id: RequestId | None = None

    @property
    def code(self) -> int:
        """The JSON-RPC error code that says so."""
        return PARSE_ERROR if isinstance(self.defect, JSONDefect) else INVALID_REQUEST


def parse(raw: bytes | str, knows: Callable[[str], bool] | None = None) -> Message | Malformed:
    """Return the one message that ``raw`` is, or what is wrong with it; never raises.

    ``knows`` tells whether the server has a method; None stands for every one. A method that it does not
    have need not name what it is about: the server says no more than that it does not have it.
    """
    try:
        document = decode(raw)
    except NotStrictJSONError as error:
        return Malformed(error.defect)
    if type(document) is not dict:
        return Malformed(Defect.BATCH if type(document) is list else Defect.NOT_AN_OBJECT)
    identifier = document.get("id")
    known = identifier if type(identifier) is str or type(identifier) is int else None
    if document.get("jsonrpc") != "2.0":
        return Malformed(Defect.VERSION, known)
    if known is None and "id" in document:
        return Malformed(Defect.ID)
    if "method" in document:
        return _call(document, known, knows)
    return _response(document, known)


def _call(
    document: dict[str, Any], identifier: RequestId | None, knows: Callable[[str], bool] | None
) -> Message | Malformed:
    """Return the request or notification; one that also holds an outcome could be read as either."""
    method = document["method"]
    if type(method) is not str or not (method in NAMING or _METHOD.fullmatch(method)):
        return Malformed(Defect.METHOD, identifier)
    if "result" in document or "error" in document:
        return Malformed(Defect.RESPONSE, identifier)
    params = document.get("params")
    if type(params) is not dict and "params" in document:
        return Malformed(Defect.PARAMS, identifier)
    is_notification = method.startswith(_NOTIFICATIONS)
    if is_notification is not (identifier is None):
        return Malformed(
            Defect.NOTIFICATION_WITH_ID if is_notification else Defect.REQUEST_WITHOUT_ID, identifier
        )
    if method in NAMING and (knows is None or knows(method)):
        operation = naming_operation(method, params or {})
        if operation is None:
            return Malformed(Defect.NAME, identifier)
    else:
        operation = Operation(method)
    kind = _NOTIFICATION if is_notification else _REQUEST
    return Message(kind, identifier, method, operation, _take_bearer(document), document)


def _response(document: dict[str, Any], identifier: RequestId | None) -> Message | Malformed:
    if identifier is None:
        return Malformed(Defect.ID)
    if ("result" in document) is ("error" in document):
        return Malformed(Defect.RESPONSE, identifier)
    if not (type(document.get("result")) is dict or _is_error(document.get("error"))):
        return Malformed(Defect.RESPONSE, identifier)
    return Message(Kind.RESPONSE, identifier, None, None, _take_bearer(document), document)


def _is_error(value: object) -> bool:
    return type(value) is dict and type(value.get("code")) is int and type(value.get("message")) is str


def _take_bearer(document: dict[str, Any]) -> Bearer:
    """Take the ``auth`` member out of the message and return what it presents."""
    if "auth" not in document:
        return NO_BEARER
    auth = document.pop("auth")
    text = auth.get("bearer") if type(auth) is dict else None
    return BearerText(text) if type(text) is str else MALFORMED_BEARER
