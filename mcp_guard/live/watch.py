"""Watch what open connections live by besides policy: their sessions and users.

Logging out, deactivating a user and changing a password are no changes of policy, so no revision tells of
them. As long as connections with a session are open, each poll asks for all of them at once. When the
store of the sessions cannot be asked for longer than policy may be old, each of them has to prove itself
again, which it cannot.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from importlib import import_module
from typing import Any, Final, TypeVar

from django.conf import settings
from django.contrib.auth import get_user_model
from django.utils import timezone

from mcp_guard.conf import config
from mcp_guard.live.connections import connections
from mcp_guard.live.token_rows import has_active_field

CHUNK: Final = 1_000
"""How many sessions or users are asked for in one query."""

T = TypeVar("T")


class Watch:
    """What was last known of the users of open connections, and when."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._users: dict[int, str] = {}
        self._looked_at = time.monotonic()

    def look(self) -> bool:
        """Have every connection judged again whose session is gone, or whose user is gone, new or changed.

        Return whether there are any, so that the next look needs the database, too.
        """
        began = time.monotonic()
        sessions, users = connections.sessions(), connections.users()
        live = live_sessions(sessions)
        found = read_users(users)
        changed = {pk for pk in users if pk not in found or self._users.get(pk) != found[pk]}
        self._users, self._looked_at = found, began
        connections.doubt(sessions - live, changed)
        return bool(sessions)

    def suspect(self) -> None:
        """Have every connection with a session judged again, if the last look is too long ago."""
        if time.monotonic() - self._looked_at > config().max_age + config().poll_interval:
            connections.doubt(connections.sessions(), set())


def live_sessions(keys: set[str]) -> set[str]:
    """Return those of the session keys that still lead to a session."""
    module: Any = import_module(settings.SESSION_ENGINE)
    store = module.SessionStore
    if not (hasattr(store, "get_model_class") and settings.SESSION_ENGINE.endswith(".db")):
        return {key for key in keys if store().exists(key)}
    rows = store.get_model_class().objects.filter(expire_date__gt=timezone.now())
    rows = rows.values_list("session_key", flat=True)
    return {key for some in _chunks(keys) for key in rows.filter(session_key__in=some)}


def read_users(ids: set[int]) -> dict[int, str]:
    """Return what changes with the password of each active user; the others are left out."""
    active = {"is_active": True} if has_active_field() else {}
    rows = get_user_model()._default_manager.filter(**active).values_list("pk", "password")
    return {pk: password for some in _chunks(ids) for pk, password in rows.filter(pk__in=some)}


def _chunks(values: set[T]) -> Iterator[list[T]]:
    every = list(values)
    for start in range(0, len(every), CHUNK):
        yield every[start : start + CHUNK]


watch: Final = Watch()
"""The watch of this process."""

os.register_at_fork(after_in_child=watch._reset)  # noqa: SLF001 (a child has no connections yet)
