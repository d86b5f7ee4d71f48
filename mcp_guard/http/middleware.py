"""The middleware: judge requests to guarded views before any other middleware answers them.

It stands first. CommonMiddleware would redirect, and a CORS middleware would answer a preflight, before
anybody had asked whether the caller may. Behind the front door it reuses that decision.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache, partial
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from mcp_guard import conf, gate, ticket_desk
from mcp_guard.audit import calls
from mcp_guard.http.body import is_judged, judge_body, ticket_body
from mcp_guard.http.lists import arestrict, restrict
from mcp_guard.http.locate import Location, locate
from mcp_guard.http.response import of_reply
from mcp_guard.http.running import Run
from mcp_guard.live.calls import CALL_KEY, Call, call_of
from mcp_guard.mcp.listing import lists_of
from mcp_guard.passage import (
    KEY,
    Passage,
    auser_of,
    inner_lines,
    of_scope,
    user_of,
)
from mcp_guard.policy.credential import without_cookies
from mcp_guard.policy.decision import Admitted, Refused
from mcp_guard.policy.endpoint import Endpoint
from mcp_guard.policy.facts import RequestHead
from mcp_guard.policy.reply import Reply
from mcp_guard.wire import environ_key

GetResponse = Callable[[HttpRequest], Any]


class GuardMiddleware:
    """Puts every marked view behind the gate, in sync and async projects alike."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        self.process_view: Callable[..., Any] = self._act_for_principal
        if self.is_async:
            markcoroutinefunction(self)
            self.process_view = self._aact_for_principal  # Django would take another one to a thread

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Return the answer of the gate or of the view."""
        if self.is_async:
            return self._acall(request)
        location = locate(request.path_info, getattr(request, "urlconf", None))
        if location is None:
            return self.get_response(request)  # type: ignore[no-any-return]
        endpoint = conf.endpoint(location.endpoint)
        outer = _outer_passage(request, endpoint)
        if outer is not None and _is_through(request, location, endpoint, outer):
            return self.get_response(request)  # type: ignore[no-any-return]
        judged = outer or gate.judge_request(endpoint, request)
        if isinstance(judged, gate.Pending):
            judged = _settled(endpoint, judged.head, gate.settle(endpoint, *judged))
        if isinstance(judged, Reply):
            return of_reply(judged)
        if location.is_ticket:
            return _hand_out(request, endpoint, judged.head, judged.admitted)
        run = _enter(request, location, endpoint, judged)
        if isinstance(run, HttpResponse):
            return run
        try:
            response: HttpResponseBase = self.get_response(request)
            if run.lists is not None:
                response = restrict(response, run.lists, judged.admitted)
            return run.until_closed(response, None if outer else judged)
        finally:
            run.end()

    async def _acall(self, request: HttpRequest) -> HttpResponseBase:
        location = locate(request.path_info, getattr(request, "urlconf", None))
        if location is None:
            return await self.get_response(request)  # type: ignore[no-any-return]
        endpoint = conf.endpoint(location.endpoint)
        outer = _outer_passage(request, endpoint)
        if outer is not None and _is_through(request, location, endpoint, outer):
            return await self.get_response(request)  # type: ignore[no-any-return]
        judged = outer or gate.judge_request(endpoint, request)
        if isinstance(judged, gate.Pending):
            judged = _settled(endpoint, judged.head, await gate.asettle(endpoint, *judged))
        if isinstance(judged, Reply):
            return of_reply(judged)
        if location.is_ticket:
            return await _ahand_out(request, endpoint, judged.head, judged.admitted)
        run = _enter(request, location, endpoint, judged)
        if isinstance(run, HttpResponse):
            return run
        try:
            response: HttpResponseBase = await self.get_response(request)
            if run.lists is not None:
                response = await arestrict(response, run.lists, judged.admitted)
            return run.until_closed(response, None if outer else judged)
        finally:
            run.end()

    def _act_for_principal(self, request: HttpRequest, *_: Any) -> None:
        """Make the request act for its principal, whatever a cookie said, after authentication ran."""
        _act_for(request)

    async def _aact_for_principal(self, request: HttpRequest, *_: Any) -> None:
        _act_for(request)


def _outer_passage(request: HttpRequest, endpoint: Endpoint) -> Passage | None:
    """Return what an outer door has let in, None where none has judged this request for this endpoint."""
    scope = getattr(request, "scope", None)
    return None if scope is None or KEY not in scope else of_scope(scope, endpoint)


def _settled(endpoint: Endpoint, head: RequestHead, settled: gate.Settled) -> Passage | Reply:
    """Return the passage of a request that may go on, else its answer."""
    if isinstance(settled, Admitted):
        return Passage(endpoint.name, head, settled)
    return gate.answer(endpoint, head, settled)


def _is_through(request: Any, location: Location, endpoint: Endpoint, outer: Passage) -> bool:
    """Let a request in of which an outer door has done all that is to be done here; False for another one."""
    call = call_of(request.scope)
    if location.is_ticket or not is_judged(request, endpoint, call, location.behind):
        return False
    call.judged = None  # it was asked for; a stream would keep it for as long as it is open
    _let_in(request, location, outer)
    return True


def _let_in(request: Any, location: Location, passage: Passage) -> None:
    """Have the view run as what the passage carries inwards."""
    if location.lacks_slash:  # MCP clients follow no redirect
        request.path_info += "/"
        request.path += "/"
    setattr(request, KEY, passage)


def _enter(
    request: HttpRequest, location: Location, endpoint: Endpoint, passage: Passage
) -> Run | HttpResponse:
    """Let a request in, without its credentials; return the answer to one whose body is refused."""
    head, principal = passage.head, passage.principal
    message = judge_body(request, endpoint, passage, location.behind)
    if isinstance(message, Refused):
        calls.refused(endpoint, head, principal, message)
        return of_reply(gate.answer(endpoint, head, message))
    scope: Any = getattr(request, "scope", None)
    is_asgi = scope is not None
    scope = scope if is_asgi else request.META
    outer = scope.get(CALL_KEY)
    call = outer if isinstance(outer, Call) else Call()
    refused = call.begin(endpoint, passage, message)
    if refused is not None:
        return of_reply(gate.answer(endpoint, head, refused))
    run = Run(None if call is outer else call)
    try:
        dropped: tuple[bytes, ...] = ()
        if endpoint.judges_messages:
            run.lists = lists = lists_of(endpoint, head, passage.admitted, message)
            if call.recorded != (endpoint.name, message):
                run.audited = calls.begin(endpoint, head, principal, message)
            if lists is not None and lists.wants_identity:
                dropped = (b"accept-encoding",)
        _strip(request, endpoint, dropped)
        if is_asgi:
            scope = _inner_scope(request, endpoint, passage, dropped)
        scope[CALL_KEY] = call
        _let_in(request, location, passage.inward(endpoint))
    except BaseException:
        run.end()
        raise
    return run


def _hand_out(
    request: HttpRequest, endpoint: Endpoint, head: RequestHead, admitted: Admitted
) -> HttpResponse:
    body = ticket_body(request, admitted)
    if isinstance(body, Refused):
        return of_reply(ticket_desk.refuse(endpoint, head, body))
    return of_reply(ticket_desk.hand_out(endpoint, head, admitted, body))


async def _ahand_out(
    request: HttpRequest, endpoint: Endpoint, head: RequestHead, admitted: Admitted
) -> HttpResponse:
    body = ticket_body(request, admitted)
    if isinstance(body, Refused):
        return of_reply(ticket_desk.refuse(endpoint, head, body))
    return of_reply(await ticket_desk.ahand_out(endpoint, head, admitted, body))


def _strip(request: Any, endpoint: Endpoint, dropped: tuple[bytes, ...]) -> None:
    """Take tokens, login cookies and some more headers out of a request, wherever Django keeps them."""
    environ = request.META
    for key in _keys(endpoint.credential_headers):
        environ.pop(key, None)
    for name in dropped:
        environ.pop(environ_key(name), None)
    cookie = environ.get("HTTP_COOKIE")
    if cookie is not None:
        kept = without_cookies(cookie.encode("latin-1", "replace"), endpoint.stripped_cookies)
        environ["HTTP_COOKIE"] = kept.decode("latin-1")
        names = {name.decode("latin-1") for name in endpoint.stripped_cookies}
        request.COOKIES = {name: value for name, value in request.COOKIES.items() if name not in names}
    request.__dict__.pop("headers", None)


@lru_cache(maxsize=64)
def _keys(names: frozenset[bytes]) -> tuple[str, ...]:
    return tuple(map(environ_key, names))


def _inner_scope(request: Any, endpoint: Endpoint, passage: Passage, dropped: tuple[bytes, ...]) -> Any:
    """Give a request a scope of its own without credentials, and return that."""
    scope = request.scope
    headers = inner_lines(scope["headers"], endpoint, passage)
    if dropped:
        headers = [pair for pair in headers if pair[0] not in dropped]
    request.scope = inner = {**scope}
    inner["headers"] = headers
    return inner


def _act_for(request: Any) -> None:
    passage = getattr(request, KEY, None)
    if not isinstance(passage, Passage):
        return
    principal = passage.principal
    request.user = request._cached_user = user_of(principal)  # noqa: SLF001 (Django's own cache)
    request.auser = partial(auser_of, principal)
