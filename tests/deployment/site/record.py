"""What reached the site, one JSON line each, in a file that all its processes share."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, Final

RECORD: Final = "SITE_RECORD"
"""The environment variable with the path of the file; without it nothing is kept."""

Event = dict[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]


def record(**line: Any) -> None:
    """Append a line; short ones are written whole, whoever else writes."""
    if os.environ.get(RECORD):
        with Path(os.environ[RECORD]).open("a", encoding="ascii") as file:
            file.write(json.dumps({"pid": os.getpid(), **line}) + "\n")


class Recorder:
    """An ASGI application that records each exchange as the server hands it over."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            record(
                reached=scope["type"],
                path=scope["path"],
                root_path=scope.get("root_path", ""),
                scheme=scope.get("scheme", ""),
                peer=scope["client"][0] if scope.get("client") else "",
                port=scope["client"][1] if scope.get("client") else 0,
                headers=[
                    [name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]
                ],
            )
        await self.app(scope, receive, send)


def recording_wsgi(app: Any) -> Callable[[dict[str, Any], Any], Iterable[bytes]]:
    """Return a WSGI application that records each request as the server hands it over."""

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        record(
            reached="http",
            path=environ["PATH_INFO"],
            root_path=environ["SCRIPT_NAME"],
            scheme=environ["wsgi.url_scheme"],
            peer=environ.get("REMOTE_ADDR", ""),
            headers=[
                [name[5:].lower().replace("_", "-"), value]
                for name, value in environ.items()
                if name.startswith("HTTP_")
            ],
        )
        return app(environ, start_response)  # type: ignore[no-any-return]

    return application
