"""Checks of how the guard is installed: middleware, mounts, front door, servers."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 (Django's names)
from django.utils.module_loading import import_string

from mcp_guard import conf, mounts
from mcp_guard.asgi.front_door import FrontDoor
from mcp_guard.checks.routes import MarkedRoute, application, import_failures, marked_routes
from mcp_guard.conf.servers import UNKNOWN

_MIDDLEWARE: Final = "mcp_guard.http.middleware.GuardMiddleware"
_CORS: Final = "corsheaders.middleware.CorsMiddleware"
_OLDEST_DAPHNE: Final = (4, 2, 2)


_OF_OTHERS: Final = (
    "Mount it with guarded(), guarded_include(), guard(), mount() or MCPConsumer, or remove it."
)
_OF_SERVERS: Final = "Mount registered servers with servers() and ServersConsumer, or remove SERVERS."


def check_middleware(**_: Any) -> list[CheckMessage]:
    """Return what is wrong with the order of MIDDLEWARE, and with CORS answers to guarded paths."""
    guard, cors, marked = _position(_MIDDLEWARE), _position(_CORS), marked_routes()
    if guard is None:
        if not marked:
            return []
        return [
            Error(
                f"{marked[0].route} is guarded, but {_MIDDLEWARE} is not in MIDDLEWARE.",
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
    if cors is not None and _cors_overlaps(marked):
        found += _check_cors(is_above=cors < guard)
    return found


def _check_cors(*, is_above: bool) -> list[CheckMessage]:
    if is_above:
        return [
            Error(
                "CorsMiddleware stands above the guard and its CORS_URLS_REGEX matches guarded paths.",
                hint="It would answer their preflights. Put the guard first.",
                id="mcp_guard.E008",
            )
        ]
    if getattr(settings, "CORS_ALLOW_ALL_ORIGINS", False):
        return [
            Error(
                "CORS_ALLOW_ALL_ORIGINS is on and CORS_URLS_REGEX matches guarded paths.",
                hint=r"Leave guarded paths to the guard alone, such as CORS_URLS_REGEX = r'^/(?!mcp).*$'.",
                id="mcp_guard.E008",
            )
        ]
    return []


def check_mounts(**_: Any) -> list[CheckMessage]:
    """Return which endpoints nothing serves, and whether the front door is missing."""
    failures = import_failures()
    if failures:
        return [
            Error(
                f"{setting} cannot be imported: {type(error).__name__}: {error}",
                hint="Until it can be, nobody knows what is guarded.",
                id="mcp_guard.E010",
            )
            for setting, error in failures.items()
        ]
    return [*_check_mounted(), *_check_routes(marked_routes())]


def _check_mounted() -> list[CheckMessage]:
    unseen = ""
    if not getattr(settings, "ASGI_APPLICATION", None):
        unseen = " What only an ASGI module mounts is seen once ASGI_APPLICATION names it."
    return [
        Warning(
            f"Endpoint {each.name!r} is declared and never mounted.",
            hint=(_OF_SERVERS if each.name == UNKNOWN else _OF_OTHERS) + unseen,
            id="mcp_guard.W001",
        )
        for each in conf.parse().described
        if each.name not in mounts.MOUNTED
    ]


def _check_routes(marked: list[MarkedRoute]) -> list[CheckMessage]:
    found: list[CheckMessage] = [
        Warning(
            f"{route} is guarded inside of i18n_patterns().",
            hint="The gate judges before a language is active and finds it in the default one at most; "
            "elsewhere it answers 503. Move the route out.",
            id="mcp_guard.W009",
        )
        for route, is_translated in marked
        if is_translated
    ]
    outermost = application()
    if marked and outermost is not None and not isinstance(outermost, FrontDoor):
        found.append(
            Warning(
                "ASGI_APPLICATION is not a front door: refusals run through all of Django first, and event "
                "streams of guarded views outlive the tokens that opened them.",
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
    wanted = _imported(dotted)
    for index, entry in enumerate(settings.MIDDLEWARE):
        found = _imported(entry)
        if isinstance(wanted, type) and isinstance(found, type) and issubclass(found, wanted):
            return index
    return None


def _imported(dotted: str) -> Any:
    """Return what a dotted name stands for, None where it cannot be imported: Django itself says so."""
    try:
        return import_string(dotted)
    except Exception:  # noqa: BLE001 (a project's modules can raise anything)
        return None


def _cors_overlaps(marked: list[MarkedRoute]) -> bool:
    """Return whether CorsMiddleware looks at a guarded path; its own checks name a pattern that is none."""
    pattern = getattr(settings, "CORS_URLS_REGEX", r"^.*$")
    try:
        return any(
            re.match(pattern, "/" + route.lstrip("^/").replace("$", "").replace("\\Z", ""))
            for route, _ in marked
        )
    except (re.error, TypeError):
        return False
