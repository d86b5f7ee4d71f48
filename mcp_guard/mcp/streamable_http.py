"""Mount an SDK server object over Streamable HTTP: as an ASGI application or as a Django view.

The gate has judged Host, Origin and credential, so the SDK's own check of Host and Origin stays off.
Its sessions are bound to the principal, and its tools find that by ``get_access_token()``.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponseBase
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import MCPServer
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.authentication import UnauthenticatedUser
from starlette.types import Receive, Scope, Send

from mcp_guard import conf
from mcp_guard.asgi.guard import guard
from mcp_guard.http.guarded import guarded
from mcp_guard.mcp import catalogue
from mcp_guard.mcp.permit import Behind
from mcp_guard.mcp.principal import sdk_user
from mcp_guard.mcp.running import keep_calls
from mcp_guard.mcp.server import input_schemas, lowlevel, registers
from mcp_guard.mcp.sessions import BeforeEnd, Sessions
from mcp_guard.mcp.view import view_of
from mcp_guard.passage import KEY, Passage
from mcp_guard.policy.endpoint import Messages


def mount(server: MCPServer[Any] | Server[Any], endpoint: str, **options: Any) -> Mount:
    """Return the server behind the gate of an endpoint.

    ``options`` go to the SDK's ``StreamableHTTPSessionManager``, such as ``json_response`` or
    ``session_idle_timeout``. The body limit is the endpoint's.

    Raises:
        ImproperlyConfigured: when the settings declare no such endpoint, or one that is not for a server
            object: one that leaves authentication to the application, or whose messages are not MCP.
    """
    refuse_unfit(endpoint)
    lowlevel_server = lowlevel(server)
    catalogue.serve(endpoint, lowlevel_server)
    return Mount(lowlevel_server, endpoint, options)


def refuse_unfit(endpoint: str) -> None:
    """Refuse an endpoint at which nobody would judge what a server object is asked to do.

    Raises:
        ImproperlyConfigured: when the endpoint forwards Authorization, does not read messages, or is not
            declared.
    """
    declared = conf.endpoint(endpoint)
    if declared.messages is not Messages.MCP:
        raise ImproperlyConfigured(
            f"The endpoint {endpoint!r} has messages {declared.messages.value!r}, under which no tool needs "
            "a grant; a server object needs an endpoint with messages 'mcp'."
        )
    if declared.forward_authorization:
        raise ImproperlyConfigured(
            f"The endpoint {endpoint!r} has forward_authorization, but a mounted server object authenticates "
            "nobody; guard the server's own streamable_http_app() instead."
        )


class Mount:
    """A guarded ASGI application around an SDK server; ``as_view()`` is the same for Django's URLs.

    ``before_end`` is waited for before its sessions end, and has to bound its own time.
    """

    def __init__(
        self,
        server: Server[Any],
        endpoint: str,
        options: dict[str, Any],
        before_end: BeforeEnd | None = None,
    ) -> None:
        self.endpoint = endpoint
        self._server = server
        self._options = options
        self._sessions = Sessions(self._session_manager, before_end)
        keep_calls(server)
        self._behind = Behind(registers(server), input_schemas(server))
        self._guard = guard(self._serve, endpoint, **self._behind._asdict())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; the SDK speaks HTTP only, so a WebSocket is refused."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        await self._guard(scope, receive, send)

    def as_view(self) -> Callable[..., Coroutine[Any, Any, HttpResponseBase]]:
        """Return a Django view, guarded by the middleware, that shares the sessions of this mount."""

        async def view(request: HttpRequest) -> HttpResponseBase:
            return await view_of(self._serve, request)

        return guarded(self.endpoint, **self._behind._asdict())(view)

    async def aclose(self) -> None:
        """End the sessions and leave the server's lifespan, for the running event loop."""
        await self._sessions.aclose()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve an exchange that was let in."""
        passage: Passage = scope[KEY]
        user = sdk_user(passage.principal)
        reset = auth_context_var.set(user)
        try:
            await self._sessions({**scope, "user": user or UnauthenticatedUser()}, receive, send)
        finally:
            auth_context_var.reset(reset)

    def _session_manager(self) -> StreamableHTTPSessionManager:
        limit = conf.endpoint(self.endpoint).limits.body_bytes
        return StreamableHTTPSessionManager(
            app=self._server, **{"max_request_body_size": limit, **self._options}
        )
