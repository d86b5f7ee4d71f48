"""Views of the site, unaware of the gate: they note what they get and answer as their path says."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from asgiref.sync import sync_to_async
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotModified,
    HttpResponseRedirect,
    StreamingHttpResponse,
)

from tests.transports.site import probe

HOSTILE = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Credentials": "true",
    "Access-Control-Allow-Private-Network": "true",
    "Vary": "Accept-Language",
    "Cache-Control": "public, max-age=60",
}
"""What an inner application may say although it is none of its business."""


def view(request: HttpRequest, way: str = "") -> HttpResponse:
    """Answer a request."""
    _note(request, request.user)
    return _answer(way, _parts)


async def async_view(request: HttpRequest, way: str = "") -> HttpResponse:
    """Answer a request, asynchronously."""
    user = await request.auser()
    await sync_to_async(_note)(request, user)
    return _answer(way, _async_parts)


def report(request: HttpRequest) -> HttpResponse:
    """Answer what the protected code of this process was given."""
    return HttpResponse(probe.report(), content_type="application/json")


def _note(request: Any, user: Any) -> None:
    assert request.user.pk == user.pk
    probe.note(
        request.mcp_guard,
        user,
        {name.lower(): value for name, value in request.headers.items()},
        body=request.body,
        cookies=request.COOKIES,
        meta={key: value for key, value in request.META.items() if isinstance(value, str)},
        scope=getattr(request, "scope", None),
        session=request.session.session_key,  # reading more of it would tell caches to vary by Cookie
    )


def _answer(way: str, parts: Any) -> HttpResponse:
    match way:
        case "":
            return HttpResponse(json.dumps({"ran": True}), content_type="application/json")
        case "hostile":
            return HttpResponse(b"{}", headers=HOSTILE)
        case "missing":
            raise Http404
        case "redirect":
            return HttpResponseRedirect("/elsewhere")
        case "unmodified":
            return HttpResponseNotModified()
        case "stream":
            return StreamingHttpResponse(parts(fails=False))
        case "torn":
            return StreamingHttpResponse(parts(fails=True))
        case _:
            raise RuntimeError("the view fails")


def _parts(*, fails: bool) -> Iterator[bytes]:
    yield b"first"
    if fails:
        raise RuntimeError("the stream fails")
    yield b"second"


async def _async_parts(*, fails: bool) -> AsyncIterator[bytes]:
    for part in _parts(fails=fails):
        yield part
