"""A server that refuses everything: the first part of the path is the status, what it answers is the guard's.

No gate is in it. It shows what clients make of an answer, also of those that only a failing database
would bring about.
"""

from __future__ import annotations

from typing import Final

from mcp_guard.policy import reply
from mcp_guard.policy.decision import CorsGrant, PreflightGranted, Reason, Refused

REASONS: Final = {
    401: Reason.TOKEN_UNKNOWN,
    403: Reason.ORIGIN_NOT_LISTED,
    421: Reason.HOST_NOT_ALLOWED,
    503: Reason.POLICY_TOO_OLD,
}
"""Why each status is answered."""

READABLE: Final = (401,)
"""What a listed page may read; of the others a browser tells it nothing."""

CORRELATION_ID: Final = "0123456789abcdef"

ALLOWED_HEADERS: Final = ("authorization", "content-type", "mcp-method", "mcp-protocol-version")


async def application(scope, receive, send):
    assert scope["type"] == "http"
    origin = dict(scope["headers"]).get(b"origin")
    status = int(scope["path"].split("/")[1])
    await _send(send, answer(status, None if origin is None else CorsGrant(origin, False), scope["method"]))


def answer(status: int, cors: CorsGrant | None, method: str) -> reply.Reply:
    """Return what the guard answers to a request, and to the preflight of one that is let through."""
    if method == "OPTIONS" and status in READABLE:
        return reply.preflight(PreflightGranted(cors, ("POST",), ALLOWED_HEADERS))
    refused = Refused(REASONS[status], cors if status in READABLE else None)
    return reply.refusal(refused, None, CORRELATION_ID)


async def _send(send, found: reply.Reply) -> None:
    await send({"type": "http.response.start", "status": found.status, "headers": found.headers})
    await send({"type": "http.response.body", "body": found.body})
