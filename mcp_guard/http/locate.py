"""Find the endpoint of a path by the resolution that will dispatch it, never by a prefix."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.urls import Resolver404, resolve

from mcp_guard.mcp.permit import Registered
from mcp_guard.wire import REMEMBERED_LENGTH

MARK: Final = "mcp_guard_endpoint"
"""Attribute of a guarded view that holds the name of its endpoint."""

REGISTERED: Final = "mcp_guard_registered"
"""Attribute of a guarded view that tells which MCP methods it handles; None where that is not known."""

CACHED_PATHS: Final = 2048
"""How many paths are remembered; a stranger cannot make it more."""


class Location(NamedTuple):
    """The endpoint of a path, and whether the path lacks the slash that its view's route ends with.

    ``registered`` tells which MCP methods the view handles, where that is known.
    """

    endpoint: str
    lacks_slash: bool
    registered: Registered | None


def locate(path: str, urlconf: Any = None) -> Location | None:
    """Return where a path is dispatched to, None when no guarded view takes it.

    A path that is guarded once a slash is appended counts too: Django would redirect it, and a redirect
    is an answer. ``urlconf`` is None for the project's own.
    """
    find = _locate if len(path) <= REMEMBERED_LENGTH else _locate.__wrapped__
    return find(path, urlconf or settings.ROOT_URLCONF)


@lru_cache(maxsize=CACHED_PATHS)
def _locate(path: str, urlconf: Any) -> Location | None:
    try:
        view = resolve(path, urlconf).func
    except Resolver404:
        if path.endswith("/"):
            return None
        found = locate(path + "/", urlconf)
        return None if found is None else found._replace(lacks_slash=True)
    endpoint = getattr(view, MARK, None)
    if endpoint is None:
        return None
    return Location(endpoint, lacks_slash=False, registered=getattr(view, REGISTERED, None))
