"""Guard a view, or a whole include, by marking it: the mark is found where the URL is resolved.

A marked view runs only for a request that carries the decision of its own endpoint, so a forgotten
middleware or a changed urlconf refuses instead of letting everybody in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, TypeVar

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotFound
from django.urls import URLPattern, URLResolver, include, re_path

from mcp_guard import conf, gate, mounts, wire
from mcp_guard.http.locate import BEHIND, MARK, REST
from mcp_guard.http.response import of_reply
from mcp_guard.mcp.agreement import InputSchema
from mcp_guard.mcp.permit import Behind, Registered
from mcp_guard.passage import KEY, Passage
from mcp_guard.policy.decision import Reason, Refused

View = TypeVar("View", bound=Callable[..., Any])


def guarded(
    endpoint: str, *, registered: Registered | None = None, input_schema: InputSchema | None = None
) -> Callable[[View], View]:
    """Return a decorator that puts a view behind the gate of an endpoint.

    ``registered`` tells which MCP methods the view handles, where that is known; the others are then
    forwarded, so that it can say that it does not know them.

    ``input_schema`` returns what a tool takes, by its name, so that the headers that repeat its arguments can
    be compared with them.

    The view is exempt from CSRF checks and from LoginRequiredMiddleware, both of which the gate replaces.

    Raises:
        ImproperlyConfigured: when the settings declare no such endpoint.
    """
    conf.endpoint(endpoint)
    mounts.declare(endpoint, "view")

    def mark(view: View) -> View:
        marked: Any = _marked_async(view, endpoint) if iscoroutinefunction(view) else _marked(view, endpoint)
        setattr(marked, MARK, endpoint)
        setattr(marked, BEHIND, Behind(registered, input_schema))
        marked.csrf_exempt = True
        marked.login_required = False
        return marked  # type: ignore[no-any-return]

    return mark


def guarded_include(arg: Any, endpoint: str, namespace: str | None = None) -> tuple[Any, Any, Any]:
    """Do as ``django.urls.include`` with every view behind the gate of an endpoint.

    What the include does not route is guarded too: it answers 404 to those who are let in, and to
    others what every guarded path answers.
    """
    module, app_name, found_namespace = include(arg, namespace=namespace)
    patterns = _guard_patterns(getattr(module, "urlpatterns", module), endpoint)
    rest = guarded(endpoint)(not_found)
    setattr(rest, REST, True)
    return [*patterns, re_path("", rest)], app_name, found_namespace


def not_found(_request: HttpRequest, **_: Any) -> HttpResponse:
    """Answer a guarded path that no view takes."""
    return HttpResponseNotFound()


def _guard_patterns(patterns: Any, endpoint: str) -> list[URLPattern | URLResolver]:
    guarded_patterns: list[URLPattern | URLResolver] = []
    for entry in patterns:
        if isinstance(entry, URLResolver):
            inner = _guard_patterns(entry.url_patterns, endpoint)
            guarded_patterns.append(
                URLResolver(entry.pattern, inner, entry.default_kwargs, entry.app_name, entry.namespace)
            )
        else:
            view = guarded(endpoint)(entry.callback)
            guarded_patterns.append(URLPattern(entry.pattern, view, entry.default_args, entry.name))
    return guarded_patterns


def _marked(view: Callable[..., Any], endpoint: str) -> Callable[..., Any]:
    @wraps(view)
    def marked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not _has_passed(request, endpoint):
            return _refuse(request, endpoint)
        return view(request, *args, **kwargs)  # type: ignore[no-any-return]

    return marked


def _marked_async(view: Callable[..., Any], endpoint: str) -> Callable[..., Any]:
    @wraps(view)
    def marked(request: HttpRequest, *args: Any, **kwargs: Any) -> Awaitable[HttpResponseBase]:
        if not _has_passed(request, endpoint):
            return _arefuse(request, endpoint)
        return view(request, *args, **kwargs)  # type: ignore[no-any-return]

    return markcoroutinefunction(marked)


def _has_passed(request: HttpRequest, endpoint: str) -> bool:
    passage = getattr(request, KEY, None)
    return isinstance(passage, Passage) and passage.endpoint == endpoint


async def _arefuse(request: HttpRequest, endpoint: str) -> HttpResponse:
    return _refuse(request, endpoint)


def _refuse(request: HttpRequest, endpoint: str) -> HttpResponse:
    declared = conf.endpoint(endpoint)
    head = wire.from_request(request, declared)
    return of_reply(gate.answer(declared, head, Refused(Reason.GUARD_MISSING)))
