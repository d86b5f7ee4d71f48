"""Starlette, with its own CORS middleware or with everything that the MCP SDK has."""

from __future__ import annotations

import hashlib
from typing import Any

from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import BearerAuthBackend, RequireAuthMiddleware
from mcp.server.auth.provider import AccessToken
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.credentials import HOST, bound_token, origin
from benchmarks.site.views import REPLY
from benchmarks.stacks import Stack


class Answer:
    """Answers 200 bytes, after the SDK's check of Host and Origin where there is one."""

    def __init__(self, security: TransportSecurityMiddleware | None) -> None:
        self.security = security

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        if self.security is not None:
            refusal = await self.security.validate_request(request, is_post=True)
            if refusal is not None:
                await refusal(scope, receive, send)
                return
        await request.body()
        await Response(REPLY, media_type="application/json")(scope, receive, send)


class Verifier:
    """Knows the tokens."""

    def __init__(self, count: int) -> None:
        self.tokens = {
            hashlib.sha256(bound_token(n).encode()).digest(): AccessToken(
                token="", client_id=str(n), scopes=["mcp"], expires_at=4_000_000_000
            )
            for n in range(count)
        }

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return what is known of a token."""
        return self.tokens.get(hashlib.sha256(token.encode()).digest())


def application(stack: Stack) -> Starlette:
    """Return the application of a stack."""
    origins = [origin(number) for number in range(stack.origins)]
    middleware: list[Middleware] = []
    security = None
    if stack.guard:
        headers = ["authorization", "content-type", "mcp-protocol-version", "mcp-session-id"]
        methods = ["GET", "POST", "DELETE"]
        middleware.append(
            Middleware(CORSMiddleware, allow_origins=origins, allow_methods=methods, allow_headers=headers)
        )
    if stack.guard == "sdk":
        settings = TransportSecuritySettings(
            enable_dns_rebinding_protection=True, allowed_hosts=[HOST], allowed_origins=origins
        )
        security = TransportSecurityMiddleware(settings)
    endpoint: Any = Answer(security)
    if stack.auth == "sdk":
        backend = BearerAuthBackend(Verifier(stack.tokens))
        middleware += [
            Middleware(AuthenticationMiddleware, backend=backend),
            Middleware(AuthContextMiddleware),
        ]
        endpoint = RequireAuthMiddleware(endpoint, ["mcp"])
    return Starlette(
        routes=[Route("/mcp/", endpoint=endpoint, methods=["GET", "POST"])], middleware=middleware
    )
