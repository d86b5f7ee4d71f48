"""A server object of the SDK that asks a process of a registered server what it is asked itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, NamedTuple

from mcp.server.connection import Connection
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.session import ServerSession
from mcp.shared.dispatcher import ProgressFnT
from mcp.shared.exceptions import MCPError
from mcp.shared.jsonrpc_dispatcher import progress_token_from_params
from mcp.types import (
    INTERNAL_ERROR,
    METHOD_NOT_FOUND,
    DiscoverResult,
    EmptyResult,
    RequestParams,
    ServerCapabilities,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)
from mcp.types.version import MODERN_PROTOCOL_VERSIONS

from mcp_guard.mcp.audience import Audience
from mcp_guard.mcp.child import Child
from mcp_guard.mcp.ear import Ear
from mcp_guard.mcp.forwarded import FORWARDED, members, offered
from mcp_guard.passage import KEY
from mcp_guard.policy.decision import Principal
from mcp_guard.servers.ends import UnavailableError
from mcp_guard.servers.pool import Pool

OPERATOR: Final = Principal(client_id=0, client="(this portal)")
"""Who asks a process without a request: no client has this id, so nobody's process is asked."""

Context = ServerRequestContext[Any, Any]


class Used(NamedTuple):
    """A process for the length of a call, and those who hear it."""

    child: Child
    audience: Audience
    capabilities: ServerCapabilities


class Proxy:
    """What is behind the server object of one registered server."""

    def __init__(self, name: str, pool: Callable[[], Pool]) -> None:
        self._name = name
        self._pool = pool

    def server(self) -> Server[Any]:
        """Return the server object."""
        server: Server[Any] = Server(self._name)
        for method, forwarded in FORWARDED.items():
            server.add_request_handler(method, forwarded.params, self._forward)
        server.add_request_handler("resources/subscribe", SubscribeRequestParams, self._subscribe)
        server.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, self._unsubscribe)
        server.add_request_handler("subscriptions/listen", SubscriptionsListenRequestParams, self._listen)
        server.add_request_handler("server/discover", RequestParams, self._discover)
        server.middleware.append(self._introduce)
        return server

    @asynccontextmanager
    async def _use(self, ctx: Context) -> AsyncIterator[Used]:
        try:
            async with self._pool().use(self._name, _principal(ctx)) as (slot, run):
                child: Child = run.ready.result()
                audience: Audience = slot.hearer
                await audience.catch_up(child)
                is_shared = run.registration.shared
                yield Used(child, audience, offered(child.capabilities, is_shared=is_shared))
        except UnavailableError as error:
            raise _refusal(error) from None

    async def _forward(self, ctx: Context, _params: RequestParams) -> HandlerResult:
        """Ask the process; its progress goes to the caller, whose leaving cancels the request there."""
        async with self._use(ctx) as used:
            if getattr(used.capabilities, FORWARDED[ctx.method].capability) is None:
                raise MCPError(METHOD_NOT_FOUND, "Method not found", ctx.method)
            async with used.audience.calling(ctx), _reports(ctx) as report:
                answer: HandlerResult = await used.child.ask(
                    ctx.method, members(ctx.method, ctx.params), report
                )
        return answer

    async def _introduce(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Answer a handshake with what the process says of itself."""
        result = await call_next(ctx)
        if ctx.method != "initialize" or not isinstance(result, dict):
            return result
        async with self._use(ctx) as used:
            used.audience.admit(_connection(ctx.session))
            info, instructions = used.child.info, used.child.instructions
            said: dict[str, Any] = {"capabilities": _written(used.capabilities)}
            if info is not None:
                said["serverInfo"] = _written(info)
            return result | said | ({"instructions": instructions} if instructions else {})

    async def _discover(self, ctx: Context, _params: RequestParams) -> DiscoverResult:
        async with self._use(ctx) as used:
            return DiscoverResult(
                supported_versions=list(MODERN_PROTOCOL_VERSIONS),
                capabilities=used.capabilities,
                instructions=used.child.instructions,
            )

    async def _subscribe(self, ctx: Context, params: SubscribeRequestParams) -> EmptyResult:
        async with self._use(ctx) as used:
            _need_subscriptions(used, ctx.method)
            await used.audience.subscribe(used.child, _connection(ctx.session), str(params.uri))
        return EmptyResult()

    async def _unsubscribe(self, ctx: Context, params: UnsubscribeRequestParams) -> EmptyResult:
        async with self._use(ctx) as used:
            _need_subscriptions(used, ctx.method)
            await used.audience.unsubscribe(used.child, _connection(ctx.session), str(params.uri))
        return EmptyResult()

    async def _listen(
        self, ctx: Context, params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        """Tell of changes for as long as the client listens; the process may idle and stop meanwhile."""
        uris = list(dict.fromkeys(map(str, params.notifications.resource_subscriptions or ())))
        async with self._use(ctx) as used:
            if uris:
                _need_subscriptions(used, ctx.method)
                await used.audience.take(used.child, uris)
        with used.audience.following(uris):
            return await used.audience.listen(ctx, params)


@asynccontextmanager
async def _reports(ctx: Context) -> AsyncIterator[ProgressFnT | None]:
    """Yield what passes the progress of a call on, None where nobody asked for it.

    All of it is told at the end of the block; one who does not keep up is told the latest.
    """
    if progress_token_from_params(ctx.params) is None:
        yield None
        return
    ear = Ear()

    async def report(progress: float, total: float | None, message: str | None) -> None:
        ear.tell(progress, partial(ctx.session.report_progress, progress, total, message))

    try:
        yield report
        await ear.told()
    finally:
        ear.close()


def _principal(ctx: Context) -> Principal:
    """Return whom a request acts for, as the gate has said."""
    scope = getattr(ctx.request, "scope", None)
    return scope[KEY].principal if isinstance(scope, dict) else OPERATOR


def _connection(session: ServerSession) -> Connection:
    """Return the connection of a session, which the SDK names to its handlers nowhere else."""
    return session._connection  # noqa: SLF001 (see above)


def _need_subscriptions(used: Used, method: str) -> None:
    if used.capabilities.resources is None or not used.capabilities.resources.subscribe:
        raise MCPError(METHOD_NOT_FOUND, "Method not found", method)


def _written(model: Any) -> Any:
    return model.model_dump(by_alias=True, mode="json", exclude_none=True)


def _refusal(error: UnavailableError) -> MCPError:
    data = {"retry_after": round(error.retry_after, 1)} if error.retry_after else None
    return MCPError(INTERNAL_ERROR, str(error), data)
