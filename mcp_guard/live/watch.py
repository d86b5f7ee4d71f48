"""Watch what open connections live by besides policy: their sessions and users.

Logging out, deactivating a user and changing a password are no changes of policy, so no revision tells of
them. As long as connections with a session are open, each poll asks for all of them at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import get_user_model
from django.utils import timezone

from mcp_guard.live.connections import connections

MOST: Final = 5_000
"""How many sessions and users are asked for in one poll."""


class Watch:
    """What was last known of the users of open connections."""

    def __init__(self) -> None:
        self._users: dict[int, str] = {}

    def look(self) -> None:
        """Have every connection judged again whose session is gone or whose user is new or has changed."""
        sessions, users = connections.sessions(), connections.users()
        if not sessions and not users:
            self._users = {}
            return
        live = live_sessions(sorted(sessions)[:MOST])
        found = read_users(sorted(users)[:MOST])
        changed = {pk for pk in users if self._users.get(pk) != found.get(pk)}
        self._users = found
        connections.doubt(sessions - live, changed)


def live_sessions(keys: list[str]) -> set[str]:
    """Return those of the session keys that still lead to a session."""
    module: Any = import_module(settings.SESSION_ENGINE)
    store = module.SessionStore
    if hasattr(store, "get_model_class") and settings.SESSION_ENGINE.endswith(".db"):
        rows = store.get_model_class().objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
        return set(rows.values_list("session_key", flat=True))
    return {key for key in keys if store().exists(key)}


def read_users(ids: list[int]) -> dict[int, str]:
    """Return what changes with the password of each active user; the others are left out."""
    rows = get_user_model()._default_manager.filter(pk__in=ids, is_active=True)
    return dict(rows.values_list("pk", "password"))


watch: Final = Watch()
"""The watch of this process."""
