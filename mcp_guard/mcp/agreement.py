"""Whether the headers of a request say what its body says, where the revision makes them.

From revision 2026-07-28 on, clients repeat in headers what a message asks for, so that proxies can route it
without reading it (Streamable HTTP, "Request headers"). One that says one thing to a proxy and another to the
server is refused. Headers of earlier revisions say nothing, and are not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from mcp_guard.mcp import parameters
from mcp_guard.mcp.header_value import decoded
from mcp_guard.mcp.jsonrpc import Kind, Message

HEADER_MISMATCH: Final = -32020
"""JSON-RPC code of MCP for headers that do not say what the body says."""

InputSchema = Callable[[str], Mapping[str, Any] | None]
"""The input schema of a tool by its name, None where there is none.

It raises ``SchemaUnreadableError`` where that cannot be told.
"""

FIRST_REVISION: Final = b"2026-07-28"
"""The first revision in which headers repeat the body."""

REPEATED_NAME: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""Methods whose name stands in Mcp-Name, and the member of ``params`` that it repeats."""

_VERSION_IN_BODY: Final = "io.modelcontextprotocol/protocolVersion"
_DATE = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class SchemaUnreadableError(Exception):
    """What a tool takes could not be looked up."""


@lru_cache(maxsize=64)
def repeats_body(version: bytes) -> bool:
    """Return whether the headers of a revision repeat the body; what is no revision may be a later one."""
    return version != b"" and not (_DATE.fullmatch(version) and version < FIRST_REVISION)


def disagreement(
    headers: Mapping[bytes, bytes], message: Message, input_schema: InputSchema | None = None
) -> str | None:
    """Return what the headers and the message do not agree on, None when nothing stands against it.

    ``headers`` have names in lower case and one value each. The revision of a notification need not make it
    repeat its method, but what it repeats has to be right.
    """
    version = headers.get(b"mcp-protocol-version", b"")
    if not repeats_body(version):
        return None
    params = message.payload.get("params")
    params = params if type(params) is dict else {}
    meta = params.get("_meta")
    if type(meta) is dict and _VERSION_IN_BODY in meta and meta[_VERSION_IN_BODY] != decoded(version):
        return "MCP-Protocol-Version does not repeat the revision of the message"
    method = headers.get(b"mcp-method")
    if (method is not None or message.kind is Kind.REQUEST) and (
        method is None or method.decode("latin-1") != message.method
    ):
        return "Mcp-Method does not repeat the method of the message"
    return _name_disagreement(headers, message, params, input_schema)


def _name_disagreement(
    headers: Mapping[bytes, bytes],
    message: Message,
    params: Mapping[str, Any],
    input_schema: InputSchema | None,
) -> str | None:
    key = REPEATED_NAME.get(str(message.method))
    if key is None:
        return None
    named = params.get(key)
    name = headers.get(b"mcp-name")
    if named is not None and (name is None or decoded(name) != named):
        return "Mcp-Name does not repeat the name or URI of the message"
    if message.method != "tools/call" or input_schema is None or type(named) is not str:
        return None
    try:
        schema = input_schema(named)
    except SchemaUnreadableError:  # what says nothing can be let pass, what nobody can compare cannot
        return "Mcp-Param headers cannot be compared" if parameters.are_sent(headers) else None
    return parameters.disagreement(headers, params.get("arguments"), schema)
