"""Registered servers at the doors: ``/servers/<name>/mcp`` over HTTP, ``/ws/servers/<name>`` over WebSocket.

The name in a path chooses the endpoint whose gate judges, and the row whose process is asked, and nothing
else: nothing of a request is at hand where a process is started.
"""

from __future__ import annotations

import re
from functools import lru_cache, update_wrapper
from typing import Any, Final

from mcp.server.lowlevel import Server
from starlette.types import Receive, Scope, Send

from mcp_guard import conf, mounts
from mcp_guard.conf.servers import PREFIX, SERVER_NAME, UNKNOWN
from mcp_guard.live.servers import endpoint_of
from mcp_guard.mcp.audience import Audience
from mcp_guard.mcp.child import connect
from mcp_guard.mcp.consumer import MCPConsumer
from mcp_guard.mcp.offered import offer
from mcp_guard.mcp.proxy import Proxy
from mcp_guard.mcp.shutdown import before_shutdown
from mcp_guard.mcp.streamable_http import Mount
from mcp_guard.servers import pools
from mcp_guard.servers.party import Party
from mcp_guard.servers.pool import Means, Pool

REMEMBERED: Final = 2000
"""For how many servers an object is remembered; there are fewer rows than that."""

_HTTP: Final = re.compile(rf".*/servers/({SERVER_NAME.pattern})/mcp(?:/|/ticket)?")
_WEBSOCKET: Final = re.compile(rf".*/servers/({SERVER_NAME.pattern})/?")


def servers(**options: Any) -> Servers:
    """Return the ASGI application that serves every registered server over HTTP, at ``/servers/<name>/mcp``.

    ``options`` are those of ``mount``. It is mounted beside Django, like a mount.

    Raises:
        ImproperlyConfigured: when the settings have no ``SERVERS``.
    """
    conf.endpoint(UNKNOWN)
    mounts.declare(UNKNOWN, "asgi")
    return Servers(options)


class Servers:
    """A guarded ASGI application for the registered servers that there are, and those to come."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._doors: dict[str, Mount] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection by the gate of the endpoint that its path names."""
        endpoint = await endpoint_of(_name(_HTTP, scope))
        await self._door(endpoint)(scope, receive, send)

    async def aclose(self) -> None:
        """End the processes, and then the sessions, of the running event loop."""
        await pools.close_of_running_loop()
        for door in list(self._doors.values()):
            await door.aclose()

    def _door(self, endpoint: str) -> Mount:
        door = self._doors.get(endpoint)
        if door is None:
            if len(self._doors) >= REMEMBERED:
                self._doors.clear()
            door = Mount(_server(endpoint), endpoint, self._options, pools.drain_of_running_loop)
            self._doors[endpoint] = door
        return door


class ServersConsumer(MCPConsumer):
    """Serves one WebSocket of a registered server, at ``/ws/servers/<name>``."""

    @classmethod
    def as_asgi(cls, **_: Any) -> Any:
        """Return an ASGI application that makes one consumer for each connection.

        Raises:
            ImproperlyConfigured: when the settings have no ``SERVERS``.
        """
        conf.endpoint(UNKNOWN)
        mounts.declare(UNKNOWN, "websocket")

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            endpoint = await endpoint_of(_name(_WEBSOCKET, scope))
            await cls(server=_server(endpoint), endpoint=endpoint)(scope, receive, send)

        app.consumer_class = cls  # type: ignore[attr-defined]
        app.consumer_initkwargs = {}  # type: ignore[attr-defined]
        update_wrapper(app, cls, updated=())
        return app

    async def _before_close(self) -> None:
        await pools.drain_of_running_loop()


def _name(pattern: re.Pattern[str], scope: Scope) -> str:
    """Return the name in a path, empty where there is none: nobody registers that one."""
    found = pattern.fullmatch(scope["path"])
    return "" if found is None else found[1]


@lru_cache(maxsize=REMEMBERED)
def _server(endpoint: str) -> Server[Any]:
    """Return the server object of an endpoint; one that no row made has a name that is nobody's."""
    name = endpoint.removeprefix(PREFIX)
    server = Proxy(name, _pool).server()
    if endpoint != UNKNOWN:
        offer(endpoint, server, name)
    return server


def _pool() -> Pool:
    """Return the pool of the running loop; where no lifespan ends it, the end of the reactor does."""
    pool, is_new = pools.of_running_loop(_new_pool)
    if is_new:
        before_shutdown(pools.close_of_running_loop)
    return pool


def _new_pool() -> Pool:
    return Pool(Means(connect, _audience), lambda: conf.config().servers.processes)


def _audience(party: Party) -> Audience:
    return Audience(hears_logs=party.identity is not None)
