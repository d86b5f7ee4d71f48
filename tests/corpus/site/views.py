"""The handlers of the site; every protected one says so and names the user it ran for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseForbidden,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.views.decorators.http import condition, require_POST

from mcp_guard.mcp import jsonrpc
from tests.corpus.good import PORTAL_RAN, VIEW_RAN
from tests.corpus.site.answers import result

PUBLIC: Final = "corpus-public"


class StreamBroken(Exception):
    """Raised behind the first part of a streamed answer."""


def ran(request: HttpRequest) -> str:
    """Return the body of a protected handler."""
    return f"{VIEW_RAN.decode()} user={request.user.get_username()}"


@require_POST
def tools(request: HttpRequest) -> HttpResponse:
    message = jsonrpc.parse(request.body)
    if isinstance(message, jsonrpc.Malformed):
        return JsonResponse({"error": message.defect.value}, status=400)
    found = result(message)
    if found is None:
        return JsonResponse({"error": "no such method or tool"}, status=404)
    return JsonResponse({"jsonrpc": "2.0", "id": message.id, "result": {**found, "ran": ran(request)}})


def health(request: HttpRequest) -> HttpResponse:
    return HttpResponse(ran(request))


def cacheable(request: HttpRequest) -> HttpResponse:
    return HttpResponse(ran(request), headers={"Cache-Control": "public, max-age=60"})


@condition(etag_func=lambda request: '"x"')
def etag(request: HttpRequest) -> HttpResponse:
    return HttpResponse(ran(request))


def boom(request: HttpRequest) -> HttpResponse:
    raise StreamBroken(ran(request))


def stream(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(_parts(ran(request)))


def stream_fails(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(_failing_parts(ran(request)))


def redirect(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect("/mcp/health", content=ran(request).encode())


def vary_accept(request: HttpRequest) -> HttpResponse:
    return HttpResponse(ran(request), headers={"Vary": "Accept-Encoding"})


def sets_acao_star(request: HttpRequest) -> HttpResponse:
    return HttpResponse(ran(request), headers={"Access-Control-Allow-Origin": "*"})


def whoami(request: HttpRequest) -> HttpResponse:
    if not request.user.is_authenticated:
        return HttpResponseForbidden()
    return HttpResponse(f"{PORTAL_RAN.decode()} user={request.user.get_username()}")


def public(request: HttpRequest) -> HttpResponse:
    return HttpResponse(PUBLIC)


async def _parts(first: str) -> AsyncIterator[str]:
    yield first
    yield " and more"


async def _failing_parts(first: str) -> AsyncIterator[str]:
    yield first
    raise StreamBroken("the stream broke")
