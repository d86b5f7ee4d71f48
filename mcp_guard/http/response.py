"""Turn replies into Django responses, and stamp the responses of admitted requests."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from django.http import HttpResponse, HttpResponseBase

from mcp_guard.passage import Passage
from mcp_guard.policy import reply
from mcp_guard.policy.reply import Header
from mcp_guard.policy.stamp import added_headers, stamped_headers

_STAMPED: Final = ("vary", "cache-control")


def of_reply(answer: reply.Reply) -> HttpResponse:
    """Return a Django response that says exactly what the reply says."""
    response = HttpResponse(answer.body, status=answer.status)
    del response.headers["Content-Type"]
    for name, value in answer.headers:
        response.headers[name.decode("ascii").title()] = value.decode("latin-1")
    return response


def stamp(response: HttpResponseBase, passage: Passage) -> None:
    """Give a response the headers of the decision: CORS, Vary, privacy."""
    store = _store(response)
    if not any(map(_is_ours, store)):  # most views leave these headers to others
        if passage.prepared is None:
            passage.prepared = _prepared(passage.added or added_headers(passage.admitted))
        store.update(passage.prepared)
        return
    admitted = passage.admitted
    before = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.items()]
    after = stamped_headers(before, admitted)
    for name in [name for name in response.headers if _is_ours(name)]:
        del response.headers[name]
    for raw_name, value in after:
        header = raw_name.decode("latin-1")
        if _is_ours(header):
            response.headers[header.title()] = value.decode("latin-1")


def _prepared(added: tuple[Header, ...]) -> dict[str, tuple[str, str]]:
    """Return headers that are added to an answer as Django keeps them."""
    response = HttpResponseBase()
    del response.headers["Content-Type"]  # which every response has, and which is for the view to say
    for name, value in added:
        response.headers[name.decode("ascii").title()] = value.decode("latin-1")
    return _store(response)


def _store(response: HttpResponseBase) -> dict[str, tuple[str, str]]:
    """Return where Django keeps the headers of a response, by name in lower case.

    To have it check the same four values each time takes longer than to judge the request.
    """
    headers: Any = response.headers
    return headers._store  # type: ignore[no-any-return]  # noqa: SLF001 (there is no public way)


@lru_cache(maxsize=1024)
def _is_ours(name: str) -> bool:
    lowered = name.lower()
    return lowered in _STAMPED or lowered.startswith("access-control-")
