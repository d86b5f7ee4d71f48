"""Which endpoints are mounted, and how: what the system checks compare with the settings."""

from __future__ import annotations

from typing import Final

MOUNTED: Final[dict[str, set[str]]] = {}
"""Kinds of mounts (``view``, ``asgi``) by the name of their endpoint."""

_front_doors: list[object] = []


def declare(endpoint: str, kind: str) -> None:
    """Note that an endpoint is mounted."""
    MOUNTED.setdefault(endpoint, set()).add(kind)


def declare_front_door(door: object) -> None:
    """Note that the outermost application is a front door."""
    _front_doors.append(door)


def has_front_door() -> bool:
    """Return whether a front door was made in this process."""
    return bool(_front_doors)
