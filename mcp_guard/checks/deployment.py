"""Checks of what a production site should not have; they run under ``check --deploy``."""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning  # noqa: A004 (Django's names)

from mcp_guard import conf
from mcp_guard.policy.endpoint import Profile


def check_deployment(**_: Any) -> list[CheckMessage]:
    """Return what a production site should not have."""
    found: list[CheckMessage] = []
    if settings.DEBUG:
        found.append(Warning("DEBUG is on.", hint="Switch it off in production.", id="mcp_guard.W004"))
    if "*" in settings.ALLOWED_HOSTS:
        hint = "Name the hosts: a name that was rebound to this address is one more host to '*'."
        found.append(Warning("ALLOWED_HOSTS contains '*'.", hint=hint, id="mcp_guard.W005"))
    for endpoint in conf.parse().endpoints.values():
        if not endpoint.require_tls and endpoint.profile not in (Profile.PUBLIC, Profile.LOCAL):
            found.append(
                Warning(
                    f"Endpoint {endpoint.name!r} takes credentials over plain HTTP.",
                    hint="Set require_tls, and TRUSTED_PROXIES where a proxy ends TLS.",
                    id="mcp_guard.W006",
                )
            )
        if endpoint.report_only_until:
            found.append(
                Warning(
                    f"Endpoint {endpoint.name!r} has report_only set: it lets unlisted origins in.",
                    hint="Remove it once the reported origins are listed.",
                    id="mcp_guard.W008",
                )
            )
    return found


def check_origins(databases: Any = None, **_: Any) -> list[CheckMessage]:
    """Return the listed origins that are on somebody's own machine."""
    if not databases:
        return []
    from mcp_guard.models import AllowedOrigin  # noqa: PLC0415 (needs the app registry)

    local = re.compile(r"https?://(?:localhost|[a-z0-9.-]+\.localhost|127\.[0-9.]+|\[::1\])(?::[0-9]+)?")
    rows = AllowedOrigin.objects.filter(active=True).values_list("origin", flat=True)
    return [
        Warning(
            f"The origin {origin} is listed.",
            hint="Every program on a user's machine can serve a page there; take it off in production.",
            id="mcp_guard.W007",
        )
        for origin in rows
        if local.fullmatch(origin)
    ]
