"""One visit of one client, and what it saw."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

MODES: Final = ("auto", "legacy", "2026-07-28")
"""How a client finds out about the era of a server: asks, takes the old one, insists on the new one."""

DOORS: Final = {"mount": "/mcp", "view": "/django/mcp", "socket": "/ws/mcp"}
"""The kinds of mounts and their paths."""

VERSIONS: Final = {"auto": "2026-07-28", "legacy": "2025-11-25", "2026-07-28": "2026-07-28"}
"""What the modes have to end up with."""


@dataclass(frozen=True)
class Job:
    """Where to go and how. ``label`` is what the slow tool is called with, so that its log can tell."""

    url: str
    mode: str
    token: str | None = None
    origin: str | None = None
    label: str = ""


@dataclass(frozen=True)
class Seen:
    """What a client saw; ``error`` is what it told its user when the visit ended early."""

    version: str | None = None
    tools: list[str] = field(default_factory=list)
    sum: int | None = None
    caller: str | None = None
    forbidden: str | None = None
    progress: list[list[Any]] = field(default_factory=list)
    error: str | None = None
