"""The database connections of the guard's own threads: kept open, and bounded in what a network may do.

A peer that falls silent, because packets are dropped or its machine is gone, is noticed within seconds
instead of the quarter of an hour that TCP would go on trying. What a project sets itself in OPTIONS stays;
its pool is left to its requests.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import Any, Final

from django.db import connections, router

from mcp_guard.models import Revision

_BOUNDS: Final = {
    "connect_timeout": 2,  # seconds
    "tcp_user_timeout": 4000,  # milliseconds that sent data may stay unacknowledged
    "keepalives": 1,
    "keepalives_idle": 5,  # seconds
    "keepalives_interval": 2,
    "keepalives_count": 2,
}
"""https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS"""


class OwnConnections:
    """The connections of one of the guard's own threads, which another thread may cut when it hangs."""

    def __init__(self) -> None:
        self._connections: list[Any] = []

    def take(self) -> None:
        """Give the connections of the calling thread their bounds; ``cut`` is about them."""
        connections[router.db_for_write(Revision)]  # makes it, so that it is among those that are bound
        opened = list(connections.all(initialized_only=True))
        for connection in opened:
            _bind(connection)
        self._connections = opened

    def cut(self) -> None:
        """Make whatever waits for an answer on them fail: nothing more comes, for either side.

        A server that is frozen, or a proxy that lost its other side, acknowledges packets and never
        answers. No time limit of TCP notices that.
        """
        for raw in [connection.connection for connection in self._connections]:
            if raw is None or not hasattr(raw, "fileno"):
                continue
            with suppress(Exception), socket.socket(fileno=os.dup(raw.fileno())) as duplicate:
                duplicate.shutdown(socket.SHUT_RDWR)  # fails if it was closed meanwhile, which is as good


def _bind(connection: Any) -> None:
    if connection.vendor != "postgresql" or getattr(connection, "is_bound_by_mcp_guard", False):
        return
    settings = connection.settings_dict
    options = {name: value for name, value in settings.get("OPTIONS", {}).items() if name != "pool"}
    connection.settings_dict = {**settings, "OPTIONS": {**_BOUNDS, **options}, "CONN_MAX_AGE": None}
    connection.is_bound_by_mcp_guard = True
