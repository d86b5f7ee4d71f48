"""What the doors need to know of the SDK's server objects."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from mcp.server.lowlevel import Server
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types.methods import CLIENT_REQUESTS, SPEC_CLIENT_METHODS
from mcp.types.version import MODERN_PROTOCOL_VERSIONS

from mcp_guard.mcp.agreement import InputSchema, SchemaUnreadableError
from mcp_guard.mcp.permit import Registered

logger = logging.getLogger(__name__)


def lowlevel(server: MCPServer[Any] | Server[Any]) -> Server[Any]:
    """Return the lowlevel server, which speaks the protocol, of either kind of server object.

    The SDK hands it out through the session manager of a Streamable HTTP application only, so one is
    made where there was none yet; it is never run.
    """
    if isinstance(server, Server):
        return server
    try:
        return server.session_manager.app
    except RuntimeError:
        server.streamable_http_app(
            transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False)
        )
        return server.session_manager.app


def registers(server: Server[Any]) -> Registered:
    """Return a function that tells whether the server may do something for a method in a revision.

    A method for which it says no can be forwarded without a grant: the server answers -32601, also for a
    method that it has a handler for, but that the revision dropped. The SDK's own middleware passes
    unknown methods on, and so does the guard's; any other may answer them, and then nothing counts as
    unknown.
    """

    def registered(method: str, revision: str = "") -> bool:
        if any(_package_of(layer) not in ("mcp", "mcp_guard") for layer in server.middleware):
            return True
        if revision in MODERN_PROTOCOL_VERSIONS and _is_dropped(method, revision):
            return False
        return server.get_request_handler(method) is not None or method == "initialize"

    return registered


def input_schemas(server: Server[Any]) -> InputSchema | None:
    """Return a function for what a tool takes, None where the server says it by a listing of its tools alone.

    Then the SDK compares the headers itself, as it does for every server.
    """
    lookup = server.get_tool_input_schema
    if lookup is None:
        return None

    def input_schema(name: str) -> Mapping[str, Any] | None:
        try:
            return lookup(name)
        except Exception as error:
            logger.exception("the input schema of a tool could not be looked up")
            raise SchemaUnreadableError from error

    return input_schema


def _is_dropped(method: str, revision: str) -> bool:
    """Return whether a method of the specification is none in this revision."""
    return method in SPEC_CLIENT_METHODS and (method, revision) not in CLIENT_REQUESTS


def _package_of(layer: Any) -> str:
    """Return the package that a middleware comes from, be it a function or an object."""
    module: str = getattr(layer, "__module__", None) or type(layer).__module__
    return module.partition(".")[0]
