"""Find the endpoint of a path by the resolution that will dispatch it, never by a prefix."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from django.conf import settings
from django.urls import Resolver404, resolve

MARK: Final = "mcp_guard_endpoint"
"""Attribute of a guarded view that holds the name of its endpoint."""

CACHED_PATHS: Final = 2048
"""How many paths are remembered; a stranger cannot make it more."""


def endpoint_of_path(path: str, urlconf: Any = None) -> str | None:
    """Return the name of the endpoint whose view a path is dispatched to, None for an unguarded one.

    A path that is guarded once a slash is appended counts as guarded: Django would redirect it, and a
    redirect is an answer too.
    """
    return _endpoint_of_path(path, urlconf or settings.ROOT_URLCONF)


@lru_cache(maxsize=CACHED_PATHS)
def _endpoint_of_path(path: str, urlconf: Any) -> str | None:
    endpoint = _endpoint_of_view(path, urlconf)
    if endpoint is None and not path.endswith("/"):
        return _endpoint_of_view(path + "/", urlconf)
    return endpoint


def _endpoint_of_view(path: str, urlconf: Any) -> str | None:
    try:
        return getattr(resolve(path, urlconf).func, MARK, None)
    except Resolver404:
        return None
