"""Run an ASGI application inside of a Django view, with live streams and cancellation.

Under WSGI there is no event loop that outlives a request, so the application runs on one that this
module keeps in a thread of its own: sessions last, and a stream occupies the worker that reads it. The
thread does not hold up the end of the process, so the server's lifespan is not left there.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from starlette.types import ASGIApp, Scope

from mcp_guard.live.calls import CALL_KEY
from mcp_guard.mcp.exchange import Exchange
from mcp_guard.passage import KEY

_starting = threading.Lock()


async def view_of(app: ASGIApp, request: HttpRequest) -> HttpResponseBase:
    """Return the application's answer to a request that was let in.

    Django cancels the view, or closes the response, when the client leaves; the application is told.
    """
    if isinstance(request, ASGIRequest):
        exchange = Exchange(app, {**request.scope, KEY: getattr(request, KEY)}, request.body)
        return await _answer(exchange, exchange)
    loop = _background_loop()
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_wsgi_answer(app, request), loop))


async def _wsgi_answer(app: ASGIApp, request: HttpRequest) -> HttpResponseBase:
    exchange = Exchange(app, _wsgi_scope(request), request.body)
    return await _answer(exchange, _Pulled(exchange, asyncio.get_running_loop()))


async def _answer(exchange: Exchange, stream: Any) -> HttpResponseBase:
    """Return the response to an exchange; its body is ``stream`` when it may go on for long."""
    start = await exchange.start()
    response: HttpResponseBase
    if start.is_stream:
        response = StreamingHttpResponse(stream)
    else:
        response = HttpResponse(b"".join([part async for part in exchange]))
    response.status_code = start.status
    del response.headers["Content-Type"]
    for name, value in start.headers.items():
        response.headers[name.title()] = value
    return response


class _Pulled:
    """The parts of an exchange that lives on another thread's loop; the reader waits for each."""

    def __init__(self, exchange: Exchange, loop: asyncio.AbstractEventLoop) -> None:
        self._parts = aiter(exchange)
        self._loop = loop
        self.close = exchange.close

    def __iter__(self) -> Iterator[bytes]:
        while (part := asyncio.run_coroutine_threadsafe(self._following(), self._loop).result()) is not None:
            yield part

    async def _following(self) -> bytes | None:
        return await anext(self._parts, None)


def _wsgi_scope(request: HttpRequest) -> Scope:
    """Return the scope an ASGI server would have made of a WSGI request, as far as MCP looks at it."""
    meta = request.META
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.scheme,
        "path": request.path,
        "raw_path": request.path.encode(),
        "root_path": meta.get("SCRIPT_NAME", ""),
        "query_string": meta.get("QUERY_STRING", "").encode("latin-1"),
        "headers": [
            (name.lower().encode("latin-1"), str(value).encode("latin-1"))
            for name, value in request.headers.items()
        ],
        "client": (meta.get("REMOTE_ADDR", ""), 0),
        "server": (meta.get("SERVER_NAME", ""), int(meta.get("SERVER_PORT") or 0)),
        KEY: getattr(request, KEY),
        CALL_KEY: meta.get(CALL_KEY),
    }


def _background_loop() -> asyncio.AbstractEventLoop:
    """Return the loop of this process that serves WSGI workers; a forked process starts its own."""
    with _starting:
        return _loop_of_process(os.getpid())


@lru_cache(maxsize=1)
def _loop_of_process(_pid: int) -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="mcp_guard sessions", daemon=True).start()
    return loop
