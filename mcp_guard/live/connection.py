"""The database connections of the guard's own threads: kept open, and bounded in what a network may do.

A peer that falls silent, because packets are dropped or its machine is gone, is noticed within seconds
instead of the quarter of an hour that TCP would go on trying. What a project sets itself in OPTIONS stays;
its pool is left to its requests.
"""

from __future__ import annotations

from typing import Any, Final

from django.db import connections

_BOUNDS: Final = {
    "connect_timeout": 2,  # seconds
    "tcp_user_timeout": 4000,  # milliseconds that sent data may stay unacknowledged
    "keepalives": 1,
    "keepalives_idle": 5,  # seconds
    "keepalives_interval": 2,
    "keepalives_count": 2,
}
"""https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS"""


def bound(alias: str) -> Any:
    """Return the connection of the calling thread, which has to be one of the guard's own, with bounds."""
    connection: Any = connections[alias]
    settings = connection.settings_dict
    if connection.vendor == "postgresql" and not getattr(connection, "is_bound_by_mcp_guard", False):
        options = {name: value for name, value in settings.get("OPTIONS", {}).items() if name != "pool"}
        connection.settings_dict = {**settings, "OPTIONS": {**_BOUNDS, **options}, "CONN_MAX_AGE": None}
        connection.is_bound_by_mcp_guard = True
    return connection
