"""The URLs and the ASGI application of a project as the checks see them: imported, and never crashing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, NamedTuple

from django.conf import settings
from django.urls import LocalePrefixPattern, URLPattern, URLResolver, get_resolver

from mcp_guard.http.locate import MARK


class MarkedRoute(NamedTuple):
    """The route of a guarded view, and whether the active language is a part of it."""

    route: str
    is_translated: bool


def marked_routes() -> list[MarkedRoute]:
    """Return the routes of all guarded views; none where the URLs cannot be imported, which is an error."""
    return [] if _failure(_walk_all) else list(_walk_all())


def application() -> Any:
    """Return what ASGI_APPLICATION names; None without it, or where it cannot be imported."""
    return None if _failure(_import_application) else _import_application()


def import_failures() -> dict[str, Exception]:
    """Return why the project's URLs or its ASGI application cannot be imported, by the setting."""
    found = {"ROOT_URLCONF": _failure(_walk_all), "ASGI_APPLICATION": _failure(_import_application)}
    return {setting: error for setting, error in found.items() if error is not None}


def _failure(load: Callable[[], Any]) -> Exception | None:
    """Import and return what was raised: any failing import is reported, none stops the other checks."""
    try:
        load()
    except Exception as error:  # noqa: BLE001 (a project's modules can raise anything)
        return error
    return None


def _walk_all() -> list[MarkedRoute]:
    if not getattr(settings, "ROOT_URLCONF", None):
        return []
    return list(_walk(get_resolver().url_patterns, MarkedRoute("", is_translated=False)))


def _walk(patterns: list[URLPattern | URLResolver], outer: MarkedRoute) -> Iterator[MarkedRoute]:
    for entry in patterns:
        route = outer.route + str(entry.pattern).lstrip("^")
        is_translated = outer.is_translated or isinstance(entry.pattern, LocalePrefixPattern)
        if isinstance(entry, URLResolver):
            yield from _walk(entry.url_patterns, MarkedRoute(route, is_translated))
        elif getattr(entry.callback, MARK, None) is not None:
            yield MarkedRoute(route, is_translated)


def _import_application() -> Any:
    dotted = getattr(settings, "ASGI_APPLICATION", None)
    if not dotted:
        return None
    module, _, attribute = dotted.rpartition(".")
    return getattr(import_module(module), attribute)
