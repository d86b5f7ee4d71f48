"""Checks of how the guard is installed: middleware, mounts, front door, servers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 (Django's names)
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.module_loading import import_string

from mcp_guard import conf, mounts
from mcp_guard.asgi.front_door import FrontDoor
from mcp_guard.http.locate import MARK

_MIDDLEWARE: Final = "mcp_guard.http.middleware.GuardMiddleware"
_OLDEST_DAPHNE: Final = (4, 2, 2)


def check_middleware(**_: Any) -> list[CheckMessage]:
    """Return what is wrong with the order of MIDDLEWARE, and with CORS answers to guarded paths."""
    guard, cors = _position(_MIDDLEWARE), _position("corsheaders.middleware.CorsMiddleware")
    marked = list(_marked_routes())
    if guard is None:
        if not marked:
            return []
        return [
            Error(
                f"{marked[0]} is guarded, but {_MIDDLEWARE} is not in MIDDLEWARE.",
                hint="Put it first. Until then every guarded view refuses everybody.",
                id="mcp_guard.E006",
            )
        ]
    found: list[CheckMessage] = []
    if guard > 0:
        found.append(
            Error(
                f"{_MIDDLEWARE} is not the first entry of MIDDLEWARE.",
                hint="What stands above it can answer or redirect before anybody is judged.",
                id="mcp_guard.E007",
            )
        )
    if cors is not None and cors < guard and _cors_overlaps(marked):
        found.append(
            Error(
                "CorsMiddleware stands above the guard and its CORS_URLS_REGEX matches guarded paths.",
                hint="It would answer their preflights. Put the guard first.",
                id="mcp_guard.E008",
            )
        )
    elif cors is not None and _cors_overlaps(marked) and getattr(settings, "CORS_ALLOW_ALL_ORIGINS", False):
        found.append(
            Error(
                "CORS_ALLOW_ALL_ORIGINS is on and CORS_URLS_REGEX matches guarded paths.",
                hint=r"Leave guarded paths to the guard alone, such as CORS_URLS_REGEX = r'^/(?!mcp).*$'.",
                id="mcp_guard.E008",
            )
        )
    return found


def check_mounts(**_: Any) -> list[CheckMessage]:
    """Return which endpoints nothing serves, and whether the front door is missing."""
    try:
        application = _import_asgi()
        list(_marked_routes())
    except Exception as error:  # noqa: BLE001 (any failing import is reported, none stops the other checks)
        return [
            Error(
                f"ROOT_URLCONF or ASGI_APPLICATION cannot be imported: {type(error).__name__}: {error}",
                hint="Until it can be, nobody knows what is guarded.",
                id="mcp_guard.E010",
            )
        ]
    found: list[CheckMessage] = [
        Warning(
            f"Endpoint {name!r} is declared and never mounted.",
            hint="Mount it with guarded(), guarded_include(), guard() or mount(), or remove it.",
            id="mcp_guard.W001",
        )
        for name in conf.parse().endpoints
        if name not in mounts.MOUNTED
    ]
    if application is not None and not isinstance(application, FrontDoor) and any(_marked_routes()):
        found.append(
            Warning(
                "ASGI_APPLICATION is not a front door: refusals run through all of Django first.",
                hint="application = mcp_guard.asgi.front_door(application), as the outermost one.",
                id="mcp_guard.W002",
            )
        )
    return found


def check_daphne(**_: Any) -> list[CheckMessage]:
    """Return whether a Daphne is installed that lets headers be smuggled into a handshake."""
    try:
        installed = version("daphne")
    except PackageNotFoundError:
        return []
    if tuple(map(int, re.findall(r"\d+", installed)[:3])) >= _OLDEST_DAPHNE:
        return []
    return [
        Error(
            f"Daphne {installed} is installed.",
            hint="Take 4.2.2 or later: older ones let a client forge Origin (CVE-2026-44546).",
            id="mcp_guard.E009",
        )
    ]


def _position(dotted: str) -> int | None:
    """Return where a middleware or a subclass of it stands in MIDDLEWARE, None when it does not."""
    try:
        wanted = import_string(dotted)
    except ImportError:
        return None
    for index, entry in enumerate(settings.MIDDLEWARE):
        try:
            found = import_string(entry)
        except ImportError:
            continue
        if found is wanted or (isinstance(found, type) and issubclass(found, wanted)):
            return index
    return None


def _cors_overlaps(marked: list[str]) -> bool:
    pattern = getattr(settings, "CORS_URLS_REGEX", r"^.*$")
    return any(
        re.match(pattern, "/" + route.lstrip("^/").replace("$", "").replace("\\Z", "")) for route in marked
    )


def _marked_routes() -> Iterator[str]:
    """Yield the route of each guarded view."""
    if getattr(settings, "ROOT_URLCONF", None):
        yield from _walk(get_resolver().url_patterns, "")


def _walk(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[str]:
    for entry in patterns:
        route = prefix + str(entry.pattern).lstrip("^")
        if isinstance(entry, URLResolver):
            yield from _walk(entry.url_patterns, route)
        elif getattr(entry.callback, MARK, None) is not None:
            yield route


def _import_asgi() -> Any:
    dotted = getattr(settings, "ASGI_APPLICATION", None)
    if not dotted:
        return None
    module, _, attribute = dotted.rpartition(".")
    return getattr(import_module(module), attribute)
