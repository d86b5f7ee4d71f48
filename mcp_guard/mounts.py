"""Which endpoints are mounted, and what the servers behind them say they offer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

MOUNTED: Final[dict[str, set[str]]] = {}
"""Kinds of mounts (``view``, ``asgi``) by the name of their endpoint."""


class Offered(NamedTuple):
    """Something that a server has: the MCP list it stands in, the grant that opens it, and what it is."""

    kind: str
    grant: str
    title: str


Catalogue = Callable[[], Awaitable[list[Offered]]]
"""Asks a server for all that it has."""

CATALOGUES: Final[dict[str, dict[Any, Catalogue]]] = {}
"""How to ask the server objects of this process, by endpoint; each object once."""


def declare(endpoint: str, kind: str) -> None:
    """Note that an endpoint is mounted."""
    MOUNTED.setdefault(endpoint, set()).add(kind)


def serve(endpoint: str, server: Any, catalogue: Catalogue) -> None:
    """Note a server object that is behind an endpoint, and how to ask it what it has."""
    CATALOGUES.setdefault(endpoint, {})[server] = catalogue
