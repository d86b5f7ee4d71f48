"""What the doors need to know of the SDK's server objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mcp.server.lowlevel import Server
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings


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


def registers(server: Server[Any]) -> Callable[[str], bool]:
    """Return a function that tells whether the server may do something for a method.

    A method for which it says no can be forwarded without a grant: the server answers -32601. The
    SDK's own middleware passes unknown methods on; any other may answer them, and then nothing counts
    as unknown.
    """

    def registered(method: str) -> bool:
        if server.get_request_handler(method) is not None or method == "initialize":
            return True
        return any(type(layer).__module__.partition(".")[0] != "mcp" for layer in server.middleware)

    return registered
