"""Keep the answers to refusals ready, all but their correlation id: what most of them say is a closed set."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from mcp_guard.policy import reply
from mcp_guard.policy.decision import CorsGrant, Reason, Refused
from mcp_guard.policy.endpoint import Endpoint

KEPT: Final = 512
"""How many are kept: one for each reason, listed origin and time to wait that came up lately."""


def refusal(refused: Refused, endpoint: Endpoint, correlation_id: str) -> reply.Reply:
    """Return what ``reply.refusal`` does."""
    if refused.operation is not None or refused.request_id is not None or refused.fault is not None:
        return reply.refusal(refused, endpoint, correlation_id)
    return of(refused, endpoint).filled_in(correlation_id)


def of(refused: Refused, endpoint: Endpoint) -> reply.Blank:
    """Return the answer to refusals of heads, with a blank for the correlation id."""
    if refused.reason is Reason.METHOD_NOT_ALLOWED:  # it names the methods of the endpoint
        return reply.blank(refused, endpoint)
    return _of(refused.reason, refused.cors, refused.retry_after)


@lru_cache(maxsize=KEPT)
def _of(reason: Reason, cors: CorsGrant | None, retry_after: int) -> reply.Blank:
    return reply.blank(Refused(reason, cors, retry_after=retry_after), None)
