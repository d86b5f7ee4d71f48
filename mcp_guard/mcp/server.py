"""What the doors need to know of the SDK's server objects."""

from __future__ import annotations

from typing import Any

from mcp.server.lowlevel import Server
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types.methods import CLIENT_REQUESTS, SPEC_CLIENT_METHODS
from mcp.types.version import MODERN_PROTOCOL_VERSIONS

from mcp_guard.mcp.permit import Registered


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
    unknown methods on; any other may answer them, and then nothing counts as unknown.
    """

    def registered(method: str, revision: str = "") -> bool:
        if any(type(layer).__module__.partition(".")[0] != "mcp" for layer in server.middleware):
            return True
        if revision in MODERN_PROTOCOL_VERSIONS and _is_dropped(method, revision):
            return False
        return server.get_request_handler(method) is not None or method == "initialize"

    return registered


def _is_dropped(method: str, revision: str) -> bool:
    """Return whether a method of the specification is none in this revision."""
    return method in SPEC_CLIENT_METHODS and (method, revision) not in CLIENT_REQUESTS
