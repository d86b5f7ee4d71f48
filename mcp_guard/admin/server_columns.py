"""The columns of registered servers: computed for the list, and for those who only look at one."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from mcp_guard.admin import server_page
from mcp_guard.models import RegisteredServer


class ServerColumns:
    """What the screen of registered servers shows of one."""

    @admin.display(description=gettext_lazy("state"))
    def state_shown(self, row: RegisteredServer) -> SafeString:
        """Return what keeps it from running, or that nothing does."""
        return server_page.state(row)

    @admin.display(description=gettext_lazy("processes"))
    def processes_shown(self, row: Any) -> int:
        """Return how many of its processes run, in all processes of the portal."""
        return int(getattr(row, "running", 0))

    @admin.display(description=gettext_lazy("command"), ordering="executable")
    def command_shown(self, row: RegisteredServer) -> SafeString:
        """Return what is registered to run."""
        return server_page.command(row)

    @admin.display(description=gettext_lazy("confinement"), ordering="level")
    def level_shown(self, row: RegisteredServer) -> SafeString:
        """Return how it is confined."""
        return server_page.level(row)

    @admin.display(description=gettext_lazy("arguments"))
    def arguments_shown(self, row: RegisteredServer) -> SafeString:
        """Return its arguments."""
        return server_page.texts(row.arguments)

    @admin.display(description=gettext_lazy("environment"))
    def environment_shown(self, row: RegisteredServer) -> SafeString:
        """Return where the values of its environment are."""
        return server_page.texts(row.environment)

    @admin.display(description=gettext_lazy("writable paths"))
    def writable_shown(self, row: RegisteredServer) -> SafeString:
        """Return where it may write."""
        return server_page.texts(row.writable)

    @admin.display(description=gettext_lazy("readable paths"))
    def readable_shown(self, row: RegisteredServer) -> SafeString:
        """Return what it may read."""
        return server_page.texts(row.readable)

    @admin.display(description=gettext_lazy("hosts"))
    def hosts_shown(self, row: RegisteredServer) -> SafeString:
        """Return where it may connect."""
        return server_page.texts(row.hosts)
