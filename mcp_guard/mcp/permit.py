"""Ask for the grants that a message needs; strict JSON first, so that what is judged is what runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from mcp_guard import gate
from mcp_guard.mcp import jsonrpc
from mcp_guard.policy.decision import Admitted, Fault, Reason, Refused
from mcp_guard.policy.endpoint import Endpoint, Messages
from mcp_guard.policy.facts import RequestHead

Registered = Callable[[str, str], bool]
"""Whether the mounted server object does anything for a method in a revision of the protocol.

The revision is what MCP-Protocol-Version says, empty where nothing does.
"""


def permit_body(
    admitted: Admitted,
    endpoint: Endpoint,
    head: RequestHead,
    body: bytes,
    registered: Registered | None = None,
) -> Admitted | Refused:
    """Return the decision about the body of a request; one that is no MCP message is not read.

    A token in the body is no token over HTTP, and two carriers are refused.
    """
    if endpoint.messages is Messages.HTTP:
        return admitted
    revision = head.headers.get(b"mcp-protocol-version", b"").decode("latin-1")
    knows = None if registered is None else partial(_knows, registered, revision)
    message = jsonrpc.parse(body, knows)
    if isinstance(message, jsonrpc.Malformed):
        fault = Fault(message.code, message.defect.value)
        return Refused(Reason.MESSAGE_MALFORMED, admitted.cors, request_id=message.id, fault=fault)
    if not isinstance(message.bearer, jsonrpc.NoBearer):
        return Refused(Reason.CREDENTIAL_AMBIGUOUS, admitted.cors, request_id=message.id)
    return permit_message(admitted, message, registered, revision)


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


def _knows(registered: Registered, revision: str, method: str) -> bool:
    return registered(method, revision)
