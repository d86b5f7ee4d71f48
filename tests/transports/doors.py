"""The HTTP doors: how each of them is given a request, and which requests it cannot be given.

WSGI servers join repeated headers, decode the path, set SCRIPT_NAME themselves and end a body where its
length says, so a request with any of these is not expressible there. Views are found by their path, so one
that names another path reaches no view; includes and mounted applications get every path below theirs.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import unquote

from asgiref.sync import async_to_sync
from django.core.handlers.wsgi import WSGIHandler

from mcp_guard.policy.facts import UNIX_SOCKET
from tests.rows.exchanges import Request
from tests.transports.answer import Answered

Application = Callable[[Any, Any, Any], Awaitable[None]]
Play = Callable[[Request, str], Answered]


@dataclass(frozen=True)
class Door:
    """A way in. ``mount`` is the first segment of its paths."""

    name: str
    mount: str
    play: Play
    expresses: Callable[[Request], bool]

    def path(self, endpoint: str, request: Request) -> str:
        """Return the path of a request as it is on the wire."""
        return f"/{self.mount}/{endpoint}{request.target}"


def play_wsgi(request: Request, path: str) -> Answered:
    """Give a request to Django's WSGI handler."""
    status: list[str] = []
    headers: list[tuple[str, str]] = []

    def start_response(line: str, lines: list[tuple[str, str]], exc_info: Any = None) -> None:
        status.append(line)
        headers.extend((name.lower(), value) for name, value in lines)

    response = _wsgi_handler()(_environ(request, path), start_response)
    parts: list[bytes] = []
    try:
        with suppress(RuntimeError):  # a stream that fails: what had been sent has been sent
            parts.extend(response)
    finally:
        response.close()
    return Answered(int(status[0].split()[0]), tuple(headers), b"".join(parts))


def play_asgi(application: Application) -> Play:
    """Return what gives a request to an ASGI application."""

    def play(request: Request, path: str) -> Answered:
        return async_to_sync(exchange)(application, request, path)

    return play


async def exchange(application: Application, request: Request, path: str) -> Answered:
    """Return the answer of an ASGI application; what the protected code raises is the server's to log."""
    sent: list[Any] = []
    pending = [{"type": "http.request", "body": request.body, "more_body": False}]

    async def receive() -> Any:
        return pending.pop() if pending else await asyncio.Event().wait()

    async def send(event: Any) -> None:
        sent.append(event)

    with suppress(RuntimeError):
        await application(scope_of(request, path), receive, send)
    start, *parts = sent
    assert start["type"] == "http.response.start"
    headers = tuple(
        (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in start["headers"]
    )
    return Answered(start["status"], headers, b"".join(part.get("body", b"") for part in parts))


def scope_of(request: Any, path: str) -> dict[str, Any]:
    """Return the scope of a request or handshake."""
    is_http = isinstance(request, Request)
    return {
        "type": "http" if is_http else "websocket",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        **({"method": request.method} if is_http else {"subprotocols": _offered(request)}),
        "scheme": request.scheme,
        "path": unquote(path),
        "raw_path": path.encode("latin-1"),
        "root_path": request.root_path,
        "query_string": request.query.encode(),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in request.headers],
        "client": (request.peer, 50000) if request.peer else None,
        "server": ("/run/site.sock", None) if request.port == UNIX_SOCKET else ("127.0.0.1", request.port),
    }


def _offered(exchange: Any) -> list[str]:
    """Return the offered subprotocols as Daphne reads them: percent-decoded first."""
    offers = unquote(dict(exchange.headers).get("Sec-WebSocket-Protocol", ""))
    return [name.strip() for name in offers.split(",") if name]


def _environ(request: Request, path: str) -> dict[str, Any]:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": request.query,
        "REMOTE_ADDR": request.peer,
        "SERVER_NAME": "testserver",
        "SERVER_PORT": str(request.port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.scheme,
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request.headers:
        key = name.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    return environ


@cache
def _wsgi_handler() -> WSGIHandler:
    return WSGIHandler()


def site(*, behind_front_door: bool) -> Application:
    """Return the site, imported when it is first used: its mounts need the endpoints of the table."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        from tests.transports.site import asgi

        app = asgi.application_behind_front_door if behind_front_door else asgi.site
        await app(scope, receive, send)

    return application


def _routed(request: Request) -> bool:
    """Whether Django finds the view: by the path as it is decoded."""
    return unquote(request.target) == "/mcp"


def _wsgi(request: Request) -> bool:
    return not (
        request.has_repeated_header
        or request.root_path
        or request.is_longer_than_said
        or not request.has_plain_target
        or request.port == UNIX_SOCKET
    )


def _anything(_request: Request) -> bool:
    return True


DOORS = (
    Door("view under WSGI", "view", play_wsgi, _wsgi),
    Door("include under WSGI", "include", play_wsgi, _wsgi),
    Door("async view under ASGI", "async", play_asgi(site(behind_front_door=False)), _routed),
    Door("async view behind the front door", "async", play_asgi(site(behind_front_door=True)), _routed),
    Door("sync view behind the front door", "view", play_asgi(site(behind_front_door=True)), _routed),
    Door("include under ASGI", "include", play_asgi(site(behind_front_door=False)), _anything),
    Door("guarded application", "guard", play_asgi(site(behind_front_door=False)), _anything),
    Door(
        "guarded application behind the front door",
        "guard",
        play_asgi(site(behind_front_door=True)),
        _anything,
    ),
)
