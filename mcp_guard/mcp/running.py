"""Keep a call's slot for as long as the server object runs it, and cut it off there when it takes too long.

Up to revision 2025-11-25 a call goes on when the request that made it has ended: its client may come back
for the answer. Without this, leaving again and again would run any number of calls.
"""

from __future__ import annotations

from typing import Any

import anyio
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from mcp_guard.live.calls import CALL_KEY, Call
from mcp_guard.policy import reply
from mcp_guard.policy.decision import Reason


def keep_calls(server: Server[Any]) -> None:
    """Have the server object keep the slots of its calls; harmless when it does already."""
    if run_call not in server.middleware:
        server.middleware.append(run_call)


async def run_call(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Run one call of the server object; those that did not come through the gate run as they do."""
    scope = getattr(ctx.request, "scope", None)
    call = scope.get(CALL_KEY) if isinstance(scope, dict) and ctx.request_id is not None else None
    if not isinstance(call, Call):
        return await call_next(ctx)
    with anyio.CancelScope() as running:
        if call.join(running.cancel):
            try:
                return await call_next(ctx)
            finally:
                call.leave()
    raise MCPError(reply.TOO_LONG_CODE, reply.message(Reason.CALL_TOO_LONG))
