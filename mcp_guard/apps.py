"""Register the system checks and the signals of the app."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class McpGuardConfig(AppConfig):
    """The Django app."""

    name = "mcp_guard"
    verbose_name = _("MCP guard")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect what listens to Django; nothing is read from the database here."""
        from mcp_guard import checks, groups, signals  # noqa: PLC0415 (all three need the app registry)
        from mcp_guard.audit import seal  # noqa: PLC0415 (likewise)
        from mcp_guard.live import subscribe  # noqa: PLC0415 (likewise)

        checks.register()
        signals.connect()
        post_migrate.connect(groups.create_auditors, sender=self, dispatch_uid="mcp_guard.auditors")
        post_migrate.connect(seal.make_empty_after_flush, sender=self, dispatch_uid="mcp_guard.audit_seal")
        subscribe.connect()
