"""Who may write policy rows: only the functions of ``mcp_guard.changes``, one transaction each.

A row that is written without raising the revision would stay unseen by every other process, so
models refuse to be saved or deleted outside of ``policy_write()``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_writing: ContextVar[bool] = ContextVar("mcp_guard_policy_write", default=False)


class PolicyWriteRefused(RuntimeError):
    """A policy row was about to be written past ``mcp_guard.changes``."""


@contextmanager
def policy_write() -> Iterator[None]:
    """Let policy rows be written in this context; for ``mcp_guard.changes`` alone."""
    token = _writing.set(True)
    try:
        yield
    finally:
        _writing.reset(token)


def is_policy_write() -> bool:
    """Return whether the caller runs inside of ``policy_write()``."""
    return _writing.get()


def refuse_outside(what: str) -> None:
    """Raise ``PolicyWriteRefused`` unless the caller runs inside of ``policy_write()``."""
    if not _writing.get():
        raise PolicyWriteRefused(
            f"{what} would change policy without raising its revision; use mcp_guard.changes, the admin "
            "or manage.py mcp_guard"
        )
