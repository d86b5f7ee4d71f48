"""The views of the site; each guarded one records that it ran."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from mcp_guard.http.guarded import guarded
from mcp_guard.metrics import register
from tests.deployment.site.record import record

FIRST: Final = b"data: first\n\n"
SECOND: Final = b"data: second\n\n"
registry: Final = CollectorRegistry()
register(registry)


@guarded(endpoint="notes")
def call(request: HttpRequest) -> HttpResponse:
    """Answer a JSON-RPC request with the length of its body."""
    record(ran="call")
    message = json.loads(request.body)
    return JsonResponse({"jsonrpc": "2.0", "id": message["id"], "result": {"bytes": len(request.body)}})


@guarded(endpoint="notes")
async def events(request: HttpRequest) -> StreamingHttpResponse:
    """Send one event at once and another one as soon as there is a file that releases it."""
    record(ran="events")
    return StreamingHttpResponse(_events(), content_type="text/event-stream")


async def _events() -> AsyncIterator[bytes]:
    yield FIRST
    while not _is_released():  # noqa: ASYNC110 (another process says so)
        await asyncio.sleep(0.02)
    yield SECOND


def _is_released() -> bool:
    return Path(os.environ["SITE_RELEASE"]).exists()


def metrics(request: HttpRequest) -> HttpResponse:
    """Return the metrics of the process that answers."""
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
