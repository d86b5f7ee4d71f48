"""Who may change audit events: what seals them, with a number and a digest, and what prunes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.db import connections


class AuditWriteRefused(RuntimeError):
    """An audit event was about to be changed or deleted."""


_sealing: ContextVar[bool] = ContextVar("mcp_guard_sealing", default=False)


@contextmanager
def sealing(alias: str) -> Iterator[None]:
    """Let audit events be sealed or pruned in this context, within the running transaction of a database.

    The setting that it leaves in a transaction of PostgreSQL is what the triggers on the table look at.
    """
    connection = connections[alias]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('mcp_guard.sealing', 'on', true)")
    token = _sealing.set(True)
    try:
        yield
    finally:
        _sealing.reset(token)


def refuse_unless_sealing(what: str) -> None:
    """Raise ``AuditWriteRefused`` unless the caller runs inside of ``sealing()``."""
    if not _sealing.get():
        raise AuditWriteRefused(f"{what} would change what was recorded; audit events are sealed and pruned")
