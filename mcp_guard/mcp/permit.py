"""Ask for the grants that a message needs; strict JSON first, so that what is judged is what runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from mcp_guard import gate
from mcp_guard.mcp import agreement, jsonrpc
from mcp_guard.mcp.agreement import InputSchema
from mcp_guard.passage import Passage, Permitted
from mcp_guard.policy.decision import Admitted, Fault, Reason, Refused
from mcp_guard.policy.endpoint import Endpoint, Messages
from mcp_guard.policy.scopes import MAX_LENGTH, Operation
from mcp_guard.recall import NOTED_SECONDS

Registered = Callable[[str, str], bool]
"""Whether the mounted server object does anything for a method in a revision of the protocol.

The revision is what MCP-Protocol-Version says, empty where nothing does.
"""


class Behind(NamedTuple):
    """What is known of the application behind the gate; None where nothing is.

    ``registered`` tells which MCP methods it handles, ``input_schema`` what its tools take.
    """

    registered: Registered | None = None
    input_schema: InputSchema | None = None


MOST_PERMITTED: Final = 16
"""How many operations of one socket, or of requests that are alike, are remembered as permitted."""

UNKNOWN: Final = Behind()
"""An application of which nothing is known."""


def permit_body(
    passage: Passage, endpoint: Endpoint, body: bytes, behind: Behind
) -> jsonrpc.Message | Refused | None:
    """Return the message that a body is, None where bodies are not read, or why it is refused.

    A token in the body is no token over HTTP, and two carriers are refused. So are headers that say something
    else than the body.
    """
    if endpoint.messages is Messages.HTTP:
        return None
    head, admitted = passage.head, passage.admitted
    registered, knows, revision = behind.registered, None, ""
    if registered is not None:
        revision = head.headers.get(b"mcp-protocol-version", b"").decode("latin-1")
        knows = partial(_knows, registered, revision)
    message = jsonrpc.parse(body, knows)
    if isinstance(message, jsonrpc.Malformed):
        fault = Fault(message.code, message.defect.value)
        return Refused(Reason.MESSAGE_MALFORMED, admitted.cors, request_id=message.id, fault=fault)
    if not isinstance(message.bearer, jsonrpc.NoBearer):
        return Refused(Reason.CREDENTIAL_AMBIGUOUS, admitted.cors, request_id=message.id)
    disagreement = agreement.disagreement(head.headers, message, behind.input_schema)
    if disagreement is not None:
        fault = Fault(agreement.HEADER_MISMATCH, disagreement)
        return Refused(Reason.HEADERS_DISAGREE, admitted.cors, request_id=message.id, fault=fault)
    permitted = _ask(passage.permitted, admitted, message, time.monotonic(), (registered, revision))
    return permitted if isinstance(permitted, Refused) else message


def permit_message(
    admitted: Admitted, message: jsonrpc.Message, registered: Registered | None = None, revision: str = ""
) -> Admitted | Refused:
    """Return the decision about one message.

    A method that the mounted server object does not know needs no grant: the server says that it does not
    know it. Of an unknown application (``registered`` is None) nothing is taken for granted.
    """
    operation = message.operation
    if operation is None or operation.is_free:
        return admitted
    if registered is not None and not registered(operation.method, revision):
        return admitted
    permitted = gate.permit(admitted, operation)
    return permitted if isinstance(permitted, Admitted) else permitted._replace(request_id=message.id)


class Permits:
    """What one socket was permitted lately, so that the same again costs a look-up.

    It is asked anew after every decision about the socket, and now and then, so that its use is noted.
    """

    __slots__ = ("_admitted", "_permitted")

    def __init__(self) -> None:
        self._admitted: Admitted | None = None
        self._permitted: Permitted = {}

    def ask(
        self, admitted: Admitted, message: jsonrpc.Message, registered: Registered | None, now: float
    ) -> Admitted | Refused:
        """Return the decision about one message of a socket; ``now`` is in monotonic seconds."""
        if admitted is not self._admitted:
            self._admitted, self._permitted = admitted, {}
        return _ask(self._permitted, admitted, message, now, (registered, ""))


def _ask(
    permitted: Permitted,
    admitted: Admitted,
    message: jsonrpc.Message,
    now: float,
    behind: tuple[Registered | None, str],
) -> Admitted | Refused:
    """Return the decision about one message, which a decision about the same operation may spare.

    ``behind`` is what ``permit_message`` is told of the application, and the revision.
    """
    operation = message.operation
    if operation is None or permitted.get(operation, 0.0) > now:
        return admitted
    decision = permit_message(admitted, message, *behind)
    if decision is admitted and _is_small(operation) and _is_granted(admitted, operation):
        if len(permitted) >= MOST_PERMITTED:
            permitted.clear()
        permitted[operation] = now + NOTED_SECONDS
    return decision


def _is_granted(admitted: Admitted, operation: Operation) -> bool:
    """Return whether an operation stays permitted, even if the server gains a method that it lacks now."""
    return admitted.delegated or admitted.principal.grants.cover(operation)


def _is_small(operation: Operation) -> bool:
    """Return whether an operation takes as little memory as most do."""
    return not operation.also and len(operation.grant) <= MAX_LENGTH


def _knows(registered: Registered, revision: str, method: str) -> bool:
    return registered(method, revision)
