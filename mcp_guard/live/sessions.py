"""Read a Django session: does it belong to an active user, as of now?

Nothing is written: a session whose hash does not match any more is dead for the gate, and stays for
Django itself to flush.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any, Final

from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user_model,
    load_backend,
)
from django.utils.crypto import constant_time_compare

from mcp_guard.live.holder import holder
from mcp_guard.live.readers import Readers
from mcp_guard.policy.credential import DEAD_SESSION, DeadSession, LiveSession

WAIT_SECONDS: Final = 3.0
"""How long a request waits for its session at most."""


Session = LiveSession | DeadSession

readers: Final[Readers[Session]] = Readers("mcp_guard session", WAIT_SECONDS)
"""The threads that read sessions."""

os.register_at_fork(after_in_child=readers.reset)


def read(key: str) -> Session:
    """Return the session of this key if an active user owns it, as of now.

    Raises:
        TimeoutError: when the store does not answer within WAIT_SECONDS.
        TooManyReads: when too many requests wait for it already.
        Exception: whatever the store raises when it cannot be read.
    """
    return load(key) if holder.inline else readers.read(lambda: load(key))


async def aread(key: str) -> Session:
    """Do as ``read`` without blocking the event loop."""
    if holder.inline:
        return await database_sync_to_async(load)(key)
    return await readers.aread(lambda: load(key))


def load(key: str) -> Session:
    """Read the session of this key on the calling thread."""
    store = import_module(settings.SESSION_ENGINE).SessionStore(session_key=key)
    values: dict[str, Any] = store.load()
    backend = values.get(BACKEND_SESSION_KEY, "")
    if backend not in settings.AUTHENTICATION_BACKENDS:
        return DEAD_SESSION
    user = load_backend(backend).get_user(get_user_model()._meta.pk.to_python(values[SESSION_KEY]))
    if user is None or not user.is_active or not _hash_matches(user, values.get(HASH_SESSION_KEY, "")):
        return DEAD_SESSION
    return LiveSession(key, user.pk)


def _hash_matches(user: Any, session_hash: str) -> bool:
    """Whether the session was opened with today's password, under today's or a fallback secret key."""
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return any(constant_time_compare(session_hash, known) for known in hashes)
