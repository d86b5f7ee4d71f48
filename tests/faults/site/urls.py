"""Views of the site: one that answers and one that streams, both behind the gate."""

from __future__ import annotations

import asyncio
import contextlib

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path

from mcp_guard.http.guarded import guarded
from tests.faults.site.ran import note


@guarded("tools")
async def call(request: HttpRequest) -> HttpResponse:
    note(request.headers.get("x-label"))
    return HttpResponse(b"ran")


@guarded("tools")
async def stream(request: HttpRequest) -> StreamingHttpResponse:
    label = request.headers.get("x-label")
    note(label)

    async def parts():
        with contextlib.closing(_Ended(label)):
            while True:
                yield b"data: tick\n\n"
                await asyncio.sleep(0.05)

    return StreamingHttpResponse(parts(), content_type="text/event-stream")


class _Ended:
    def __init__(self, label: str | None) -> None:
        self.label = label

    def close(self) -> None:
        note(f"ended {self.label}")


urlpatterns = [path("view", call), path("view/stream", stream)]
