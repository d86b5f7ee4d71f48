"""The group of those who see everything of this app and change nothing."""

from __future__ import annotations

from typing import Any, Final

from django.apps import AppConfig
from django.apps.registry import Apps
from django.apps.registry import apps as current
from django.contrib.auth.management import create_permissions
from django.db import router

AUDITOR: Final = "mcp_guard auditor"
"""Name of the group; its members see every screen of this app, once they are staff."""


def create_auditors(sender: AppConfig, using: str, apps: Apps = current, **_: Any) -> None:
    """Create the group after each migration, and let it see the models that came with it.

    A permission that somebody gave the group besides stays; one to view that was taken away comes back.
    """
    try:
        group, permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    except LookupError:  # the tables of auth are not there, or not yet
        return
    if not router.allow_migrate_model(using, group):
        return
    create_permissions(sender, using=using, apps=apps, verbosity=0)  # may not have run for this app yet
    auditors, _created = group._default_manager.using(using).get_or_create(name=AUDITOR)
    views = permission._default_manager.using(using).filter(
        content_type__app_label=sender.label, codename__startswith="view_"
    )
    auditors.permissions.add(*views)
