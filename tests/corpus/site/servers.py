"""Serve the site with Daphne or uvicorn, access log included, and say when it listens."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from tests.corpus.site.asgi import application

LOOPBACK: Final = "127.0.0.1"
_STOP_SECONDS: Final = 1


class LogStream:
    """What Daphne takes for its access log's file: each line goes through logging, hence its filters."""

    def __init__(self) -> None:
        self._log = logging.getLogger("daphne.access")

    def write(self, line: str) -> None:
        self._log.info("%s", line.rstrip("\n"))


def run_daphne(port: int, ready: Callable[[], None]) -> None:
    """Serve until a signal ends the reactor."""
    from daphne.access import AccessLogGenerator
    from daphne.server import Server
    from twisted.internet import reactor

    # The port is open once the reactor runs, not yet when Daphne calls its ready_callable.
    reactor.callWhenRunning(ready)
    Server(
        application=application,
        endpoints=[f"tcp:port={port}:interface={LOOPBACK}"],
        action_logger=AccessLogGenerator(LogStream()),
        application_close_timeout=_STOP_SECONDS,
    ).run()


def run_uvicorn(port: int, ready: Callable[[], None]) -> None:
    """Serve until a signal ends the server."""
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: object = None) -> None:
            await super().startup(sockets)
            ready()

    config = uvicorn.Config(
        application,
        host=LOOPBACK,
        port=port,
        log_config=None,
        lifespan="off",
        timeout_graceful_shutdown=_STOP_SECONDS,
        ws_per_message_deflate=False,
    )
    Server(config).run()
