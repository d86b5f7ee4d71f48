"""Checks of where audit events are shipped to: what is missing, what is not kept secret, who is behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 (Django's names)
from django.db import DatabaseError, router
from django.utils import timezone

from mcp_guard import conf
from mcp_guard.conf.destinations import Destination


def check_extra(**_: Any) -> list[CheckMessage]:
    """Return which destinations cannot be reached by what is installed."""
    if find_spec("httpx2") is not None:
        return []
    return [
        Error(
            f"The destination {each.name!r} takes HTTPS, and the extra siem is not installed.",
            hint="pip install 'mcp-guard[siem]' where “audit ship” runs and where checks do.",
            id="mcp_guard.E020",
        )
        for each in conf.parse().ship.values()
        if each.protocol.is_http
    ]


def check_destinations(**_: Any) -> list[CheckMessage]:
    """Return which destinations get events in plain text, and which lack a file or their token."""
    found: list[CheckMessage] = []
    for each in conf.parse().ship.values():
        if not each.protocol.is_encrypted and not each.is_local:
            found.append(
                Warning(
                    f"Events are shipped to {each.name!r} in plain text.",
                    hint="Take https:// or syslog+tls://: they tell of users, addresses and refusals.",
                    id="mcp_guard.W020",
                )
            )
        found += [
            Warning(
                f"{what} of the destination {each.name!r} cannot be read.",
                hint="Be sure that “audit ship” finds it where it runs; this process may not need it.",
                id="mcp_guard.W021",
            )
            for what in _missing(each)
        ]
    return found


def check_lag(databases: Any = None, **_: Any) -> list[CheckMessage]:
    """Return which destinations are late; nothing where their rows cannot be read, which W010 says."""
    from mcp_guard.audit import lag  # noqa: PLC0415 (needs the app registry)
    from mcp_guard.models import AuditEvent  # noqa: PLC0415

    if router.db_for_write(AuditEvent) not in (databases or ()):
        return []
    try:
        late = [each for each in lag.lags(timezone.now()) if each.is_late]
    except DatabaseError:
        return []
    return [
        Warning(
            f"{each.destination.name!r} lacks {each.events} events, the oldest for "
            f"{each.seconds / 60:.0f} min.",
            hint="Is “manage.py mcp_guard audit ship” running? “audit status” tells the last error.",
            id="mcp_guard.W022",
        )
        for each in late
    ]


def _missing(destination: Destination) -> Iterator[str]:
    for name in ("token_file", "ca_file", "cert_file", "key_file"):
        file = getattr(destination, name)
        if file and not (Path(file).is_file() and os.access(file, os.R_OK)):
            yield name
    if destination.token_env and not os.environ.get(destination.token_env):
        yield "token_env"
