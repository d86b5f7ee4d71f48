"""Turn replies into Django responses, and stamp the responses of admitted requests."""

from __future__ import annotations

from typing import Final

from django.http import HttpResponse, HttpResponseBase

from mcp_guard.policy import reply
from mcp_guard.policy.decision import Admitted
from mcp_guard.policy.stamp import stamped_headers

_STAMPED: Final = ("vary", "cache-control")


def of_reply(answer: reply.Reply) -> HttpResponse:
    """Return a Django response that says exactly what the reply says."""
    response = HttpResponse(answer.body, status=answer.status)
    del response.headers["Content-Type"]
    for name, value in answer.headers:
        response.headers[name.decode("ascii").title()] = value.decode("latin-1")
    return response


def stamp(response: HttpResponseBase, admitted: Admitted) -> None:
    """Give a response the headers of the decision: CORS, Vary, privacy."""
    before = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.items()]
    after = stamped_headers(before, admitted)
    for name in [name for name in response.headers if _is_ours(name)]:
        del response.headers[name]
    for raw_name, value in after:
        header = raw_name.decode("latin-1")
        if _is_ours(header):
            response.headers[header.title()] = value.decode("latin-1")


def _is_ours(name: str) -> bool:
    lowered = name.lower()
    return lowered in _STAMPED or lowered.startswith("access-control-")
