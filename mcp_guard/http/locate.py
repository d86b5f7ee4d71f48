"""Find the endpoint of a path by the resolution that will dispatch it, never by a prefix."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, NamedTuple

from django.urls import Resolver404, resolve

from mcp_guard import conf, ticket_desk
from mcp_guard.mcp.permit import UNKNOWN, Behind
from mcp_guard.wire import REMEMBERED_LENGTH

MARK: Final = "mcp_guard_endpoint"
"""Attribute of a guarded view that holds the name of its endpoint."""

REST: Final = "mcp_guard_rest"
"""Attribute of the guarded view that takes what an include does not route."""

BEHIND: Final = "mcp_guard_behind"
"""Attribute of a guarded view that says what is known of it, where anything is."""

CACHED_PATHS: Final = 2048
"""How many paths are remembered; a stranger cannot make it more."""


class Location(NamedTuple):
    """The endpoint of a path, and whether the path lacks the slash that its view's route ends with.

    ``behind`` says what is known of the view. ``is_rest`` says that no view of the project takes the path,
    ``is_ticket`` that tickets for the endpoint are issued there.
    """

    endpoint: str
    lacks_slash: bool
    behind: Behind
    is_rest: bool = False
    is_ticket: bool = False


def locate(path: str, urlconf: Any = None) -> Location | None:
    """Return where a path is dispatched to, None when no guarded view takes it.

    A path that is guarded once a slash is appended counts too: Django would redirect it, and a redirect
    is an answer. So does a guarded path with ``/ticket`` behind it, where no view takes that. ``urlconf`` is
    None for the project's own.
    """
    urlconf = urlconf or conf.root_urlconf()
    found = _locate(path, urlconf) if len(path) <= REMEMBERED_LENGTH else _locate.__wrapped__(path, urlconf)
    if (found is None or found.is_rest) and path.endswith(ticket_desk.SUFFIX):
        mount = _find(path.removesuffix(ticket_desk.SUFFIX) or "/", urlconf)
        if mount is not None and ticket_desk.serves(path, conf.endpoint(mount.endpoint)):
            return mount._replace(is_ticket=True, lacks_slash=False)
    return found


def _find(path: str, urlconf: Any) -> Location | None:
    find = _locate if len(path) <= REMEMBERED_LENGTH else _locate.__wrapped__
    return find(path, urlconf)


@lru_cache(maxsize=CACHED_PATHS)
def _locate(path: str, urlconf: Any) -> Location | None:
    try:
        view = resolve(path, urlconf).func
    except Resolver404:
        if path.endswith("/"):
            return None
        found = _find(path + "/", urlconf)
        return None if found is None else found._replace(lacks_slash=True)
    endpoint = getattr(view, MARK, None)
    if endpoint is None:
        return None
    found = Location(endpoint, False, getattr(view, BEHIND, UNKNOWN), getattr(view, REST, False))
    if not found.is_rest or path.endswith("/"):
        return found
    with_slash = _find(path + "/", urlconf)  # the rest of an include takes what a view would with a slash
    if with_slash is None or with_slash.is_rest or with_slash.endpoint != endpoint:
        return found
    return with_slash._replace(lacks_slash=True)
