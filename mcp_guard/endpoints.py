"""All endpoints that there are: those that the settings declare, and one for each registered server."""

from __future__ import annotations

from mcp_guard.conf import Config
from mcp_guard.conf.servers import PREFIX
from mcp_guard.models import RegisteredServer
from mcp_guard.policy.endpoint import Endpoint


def endpoints_of(settings: Config) -> dict[str, Endpoint]:
    """Return every endpoint by name, as the database has registered servers now.

    Raises:
        django.db.Error: when the database cannot be read.
    """
    found = dict(settings.endpoints)
    if settings.servers.endpoint is None:
        return found
    for name in RegisteredServer.objects.values_list("name", flat=True)[: settings.servers.rows]:
        made = settings.servers.made_for(f"{PREFIX}{name}")
        if made is not None:
            found[made.name] = made
    return found
