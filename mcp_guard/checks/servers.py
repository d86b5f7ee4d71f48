"""Checks of registered servers: what keeps them in, who approves them, whether they can be started."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

from django.conf import settings as project
from django.core.checks import CheckMessage, Warning  # noqa: A004 (Django's names)
from django.db import DatabaseError, router

from mcp_guard import conf
from mcp_guard.conf.servers import Servers
from mcp_guard.policy.registration import Level, is_within
from mcp_guard.sandbox.filesystem import SYSTEM


def check_servers(**_: Any) -> list[CheckMessage]:
    """Return what the settings let registered servers do that a production site should not."""
    settings = conf.parse().servers
    return [] if settings.endpoint is None else list(_of_settings(settings))


def check_registered(databases: Any = None, **_: Any) -> list[CheckMessage]:
    """Return which registered servers this machine would not start; rows that cannot be read are W010's."""
    from mcp_guard.models import Revision  # noqa: PLC0415 (needs the app registry)

    alias, settings = router.db_for_write(Revision), conf.parse().servers
    if alias not in (databases or ()) or settings.endpoint is None:
        return []
    try:
        return list(_of_rows(alias, settings))
    except DatabaseError:
        return []


def _of_settings(settings: Servers) -> Iterator[CheckMessage]:
    if settings.level is Level.UNCONFINED:
        yield Warning(
            "SERVERS_LEVEL lets registered servers run unconfined.",
            hint="What such a server is made to do, it does as the portal. Remove the setting, or take "
            "'landlock' where the machine forbids user namespaces.",
            id="mcp_guard.W040",
        )
    if not settings.need_approval:
        yield Warning(
            "SERVERS_NEED_APPROVAL is off: one person alone decides what the portal runs.",
            hint="Remove it, and have a second person approve.",
            id="mcp_guard.W041",
        )
    for path in _shown():
        yield Warning(
            f"{path} lies in {SYSTEM}, which every registered server may read.",
            hint="Keep the project and its database elsewhere, in /srv or /opt for instance.",
            id="mcp_guard.W043",
        )


def _shown() -> list[str]:
    """Return what of the project each box shows, as far as the settings name it."""
    paths = [getattr(project, "BASE_DIR", None)]
    paths += [getattr(sys.modules.get(getattr(project, "SETTINGS_MODULE", "")), "__file__", None)]
    paths += [one.get("NAME") for one in project.DATABASES.values() if "sqlite" in one.get("ENGINE", "")]
    found = [os.path.realpath(path) for path in paths if path and str(path).startswith("/")]
    return [path for path in dict.fromkeys(found) if is_within(path, SYSTEM)]


def _of_rows(alias: str, settings: Servers) -> Iterator[CheckMessage]:
    from mcp_guard import machine  # noqa: PLC0415 (all three need the app registry)
    from mcp_guard.live.server_rows import read_servers  # noqa: PLC0415

    found, problems = read_servers(alias, settings)
    refused = {
        f"registered server {name}": machine.refusals(serves.registration)
        for name, serves in found.items()
        if serves is not None and serves.unserved is None
    }
    texts = [
        f"{name}: {field}: {text}"
        for name, fields in refused.items()
        for field, said in fields.items()
        for text in said
    ]
    for text in (*problems, *texts):
        yield Warning(
            f"{text[:1].upper()}{text[1:]}.",
            hint="It is not started. Repair it, or disable it.",
            id="mcp_guard.W042",
        )
