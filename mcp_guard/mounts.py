"""Which endpoints are mounted: what the system checks compare with the settings."""

from __future__ import annotations

from typing import Final

MOUNTED: Final[dict[str, set[str]]] = {}
"""Kinds of mounts (``view``, ``asgi``) by the name of their endpoint."""


def declare(endpoint: str, kind: str) -> None:
    """Note that an endpoint is mounted."""
    MOUNTED.setdefault(endpoint, set()).add(kind)
