"""What speaks with a process over its pipes, as those who run processes see it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from mcp_guard.sandbox.box import Box
from mcp_guard.servers.ends import Ending


class Link(Protocol):
    """One session with one process."""

    @property
    def closed(self) -> asyncio.Future[Ending]:
        """Done when the process can no longer be spoken with."""
        ...

    @property
    def heard(self) -> float:
        """When the process last said something, in monotonic seconds."""
        ...

    async def open(self) -> None:
        """Introduce ourselves; whoever calls bounds the time."""

    async def ping(self) -> None:
        """Return when the process has answered; raise when it is gone."""


class Hearer(Protocol):
    """Those who are told what a process says unasked, over all restarts of it."""

    @property
    def is_heard(self) -> bool:
        """Whether there is anybody."""
        ...

    @property
    def is_subscribed(self) -> bool:
        """Whether somebody waits for news that only a running process can have."""
        ...

    def lose(self) -> None:
        """Tell them that the process is gone, and what they waited for with it."""


Connect = Callable[[Box, Any, Callable[[str], None]], AbstractAsyncContextManager[Any]]
"""Speaks with a process. Takes its box, whom to tell what it says unasked, and where to note what is odd.

Entered and left by the task that runs the process; what it gives is a ``Link``.
"""
