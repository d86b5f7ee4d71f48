"""The middleware: judge requests to guarded views before any other middleware answers them.

It stands first. CommonMiddleware would redirect, and a CORS middleware would answer a preflight, before
anybody had asked whether the caller may. Behind the front door it reuses that decision.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.http.request import UnreadablePostError

from mcp_guard import conf, gate, wire
from mcp_guard.http.locate import Location, locate
from mcp_guard.http.response import of_reply, stamp
from mcp_guard.mcp.permit import permit_body
from mcp_guard.passage import (
    KEY,
    Passage,
    auser_of,
    inward,
    is_credential,
    of_scope,
    user_of,
    without_credentials,
)
from mcp_guard.policy.content import has_body
from mcp_guard.policy.credential import without_cookies
from mcp_guard.policy.decision import Admitted, Reason, Refused
from mcp_guard.policy.endpoint import Endpoint, Messages
from mcp_guard.policy.facts import RequestHead

GetResponse = Callable[[HttpRequest], Any]


class GuardMiddleware:
    """Puts every marked view behind the gate, in sync and async projects alike."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Return the answer of the gate or of the view."""
        if self.is_async:
            return self._acall(request)
        endpoint = _endpoint_of(request)
        if endpoint is None:
            return cast(HttpResponseBase, self.get_response(request))
        head = wire.from_request(request, endpoint)
        judged = gate.judge(endpoint, head)
        settled = judged if isinstance(judged, Admitted) else gate.settle(endpoint, head, judged)
        entered = _enter(request, endpoint, head, settled)
        if isinstance(entered, HttpResponse):
            return entered
        response = cast(HttpResponseBase, self.get_response(request))
        stamp(response, entered)
        return response

    async def _acall(self, request: HttpRequest) -> HttpResponseBase:
        endpoint = _endpoint_of(request)
        if endpoint is None:
            return cast(HttpResponseBase, await self.get_response(request))
        passage = of_scope(getattr(request, "scope", {}), endpoint)
        if passage is not None:
            entered = _enter(request, endpoint, passage.head, passage.admitted)
        else:
            head = wire.from_request(request, endpoint)
            judged = gate.judge(endpoint, head)
            settled = judged if isinstance(judged, Admitted) else await gate.asettle(endpoint, head, judged)
            entered = _enter(request, endpoint, head, settled)
        if isinstance(entered, HttpResponse):
            return entered
        response = cast(HttpResponseBase, await self.get_response(request))
        if passage is None:
            stamp(response, entered)
        return response

    def process_view(self, request: HttpRequest, *_: Any) -> None:
        """Make the request act for its principal, whatever a cookie said, after authentication ran."""
        passage = getattr(request, KEY, None)
        if isinstance(passage, Passage):
            _act_for(request, passage)


def _locate(request: HttpRequest) -> Location | None:
    return locate(request.path_info, getattr(request, "urlconf", None))


def _endpoint_of(request: HttpRequest) -> Endpoint | None:
    location = _locate(request)
    return None if location is None else conf.endpoint(location.endpoint)


def _enter(
    request: HttpRequest, endpoint: Endpoint, head: RequestHead, settled: gate.Settled
) -> Admitted | HttpResponse:
    """Let an admitted request in, without its credentials; return the answer to every other one."""
    if isinstance(settled, Admitted) and (has_body(head) or endpoint.messages is Messages.MCP):
        settled = _judge_body(request, endpoint, head, settled)
    if not isinstance(settled, Admitted):
        return of_reply(gate.answer(endpoint, head, settled))
    _strip(request, endpoint)
    _append_slash(request)
    setattr(request, KEY, inward(Passage(endpoint.name, head, settled), endpoint))
    return settled


def _judge_body(
    request: HttpRequest, endpoint: Endpoint, head: RequestHead, admitted: Admitted
) -> Admitted | Refused:
    try:
        body = request.body
    except RequestDataTooBig:
        return Refused(Reason.BODY_TOO_LARGE, admitted.cors)
    except UnreadablePostError:
        return Refused(Reason.MESSAGE_MALFORMED, admitted.cors)
    if not has_body(head):
        return Refused(Reason.MESSAGE_MALFORMED, admitted.cors) if body else admitted
    if len(body) > endpoint.limits.body_bytes:
        return Refused(Reason.BODY_TOO_LARGE, admitted.cors)
    location = _locate(request)
    return permit_body(admitted, endpoint, head, body, None if location is None else location.registered)


def _strip(request: Any, endpoint: Endpoint) -> None:
    """Take tokens and login cookies out of a request, wherever Django keeps them."""
    for key in [key for key in request.META if is_credential(_header_name(key), endpoint)]:
        del request.META[key]
    cookie = request.META.get("HTTP_COOKIE")
    if cookie is not None:
        kept = without_cookies(cookie.encode("latin-1", "replace"), endpoint.stripped_cookies)
        request.META["HTTP_COOKIE"] = kept.decode("latin-1")
        names = {name.decode("latin-1") for name in endpoint.stripped_cookies}
        request.COOKIES = {name: value for name, value in request.COOKIES.items() if name not in names}
    request.__dict__.pop("headers", None)
    scope = getattr(request, "scope", None)
    if scope is not None:
        request.scope = {**scope, "headers": without_credentials(scope["headers"], endpoint)}


def _append_slash(request: HttpRequest) -> None:
    """Dispatch a guarded path that lacks its slash as if it had it: MCP clients follow no redirect."""
    location = _locate(request)
    if location is not None and location.lacks_slash:
        request.path_info += "/"
        request.path += "/"


def _header_name(key: str) -> bytes:
    return key[5:].replace("_", "-").lower().encode("latin-1") if key.startswith("HTTP_") else b""


def _act_for(request: Any, passage: Passage) -> None:
    async def auser() -> Any:
        return await auser_of(passage.principal)

    request.user = request._cached_user = user_of(passage.principal)  # noqa: SLF001 (Django's own cache)
    request.auser = auser
