"""Health: whether the gate sees. A view for load balancers, which says nothing about the policy itself."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse

from mcp_guard.conf import config
from mcp_guard.live.holder import holder


def health(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 (a view)
    """Answer 200 while the policy is fresh enough to judge by, 503 when the gate is blind.

    A process that has served nothing yet reads its policy first, within the bound of that.
    """
    if holder.is_behind:
        holder.refresh()
    is_blind = holder.age > config().max_age
    return JsonResponse(
        {"status": "blind" if is_blind else "ok"},
        status=503 if is_blind else 200,
        headers={"Cache-Control": "no-store"},
    )
