"""Checks of what a production site should not have; they run under ``check --deploy``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, Warning  # noqa: A004 (Django's names)
from django.db import DatabaseError, router
from django.utils import timezone

from mcp_guard import conf
from mcp_guard.policy.endpoint import Profile

_LOCAL: Final = re.compile(
    r"https?://(?:localhost|[a-z0-9.-]+\.localhost|127\.[0-9.]+|0\.0\.0\.0|\[::1\])(?::[0-9]+)?"
)
"""Origins of pages that programs on the user's own machine serve."""


def check_deployment(**_: Any) -> list[CheckMessage]:
    """Return what a production site should not have."""
    found: list[CheckMessage] = []
    if settings.DEBUG:
        found.append(Warning("DEBUG is on.", hint="Switch it off in production.", id="mcp_guard.W004"))
    if "*" in settings.ALLOWED_HOSTS:
        hint = "Name the hosts: a name that was rebound to this address is one more host to '*'."
        found.append(Warning("ALLOWED_HOSTS contains '*'.", hint=hint, id="mcp_guard.W005"))
    for endpoint in conf.parse().described:
        if not endpoint.require_tls and endpoint.profile not in (Profile.PUBLIC, Profile.LOCAL):
            found.append(
                Warning(
                    f"Endpoint {endpoint.name!r} takes credentials over plain HTTP.",
                    hint="Set require_tls, and TRUSTED_PROXIES where a proxy ends TLS.",
                    id="mcp_guard.W006",
                )
            )
        if endpoint.report_only_until > timezone.now().timestamp():
            found.append(_report_only(endpoint.name, "has report_only set", "Remove it"))
    return found


def check_rows(databases: Any = None, **_: Any) -> list[CheckMessage]:
    """Return what rows let in that a production site should not: local origins, unlisted ones."""
    from mcp_guard.models import Revision  # noqa: PLC0415 (needs the app registry)

    alias = router.db_for_write(Revision)
    if alias not in (databases or ()):
        return []
    try:
        return [*_local_origins(alias), *_switched_endpoints(alias)]
    except DatabaseError as error:
        hint = "Run manage.py migrate; until then the gate answers 503."
        return [Warning(f"Policy cannot be read: {type(error).__name__}.", hint=hint, id="mcp_guard.W010")]


def _local_origins(alias: str) -> Iterator[CheckMessage]:
    from mcp_guard.models import AllowedOrigin  # noqa: PLC0415 (needs the app registry)

    rows = AllowedOrigin.objects.using(alias).filter(active=True).exclude(expires_at__lte=timezone.now())
    endpoints = conf.parse().endpoints
    local = {name for name, endpoint in endpoints.items() if endpoint.profile is Profile.LOCAL}
    for origin, names in rows.values_list("origin", "endpoints"):
        if _LOCAL.fullmatch(origin) and not set(names) <= local:
            yield Warning(
                f"The origin {origin} is listed.",
                hint="Every program on a user's machine can serve a page there; take it off in production.",
                id="mcp_guard.W007",
            )


def _switched_endpoints(alias: str) -> Iterator[CheckMessage]:
    from mcp_guard.models import EndpointState  # noqa: PLC0415 (needs the app registry)

    rows = EndpointState.objects.using(alias).filter(report_only_until__gt=timezone.now())
    for name, until in rows.values_list("name", "report_only_until"):
        yield _report_only(name, f"is in report-only until {until:%Y-%m-%d %H:%M %Z}", "Enforce it")


def _report_only(name: str, text: str, remedy: str) -> CheckMessage:
    return Warning(
        f"Endpoint {name!r} {text}: it lets unlisted origins in.",
        hint=f"{remedy} once the reported origins are listed.",
        id="mcp_guard.W008",
    )
