"""The open sockets of this process, judged again after every change of policy."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import Final, Protocol

from mcp_guard.live.holder import holder


class Connection(Protocol):
    """Something open that goes on only as long as the gate would let it in."""

    @property
    def client(self) -> str:
        """The client whose connection it is; empty for nobody's yet."""

    def recheck(self) -> None:
        """Judge it again and close it if it is refused; called in its own event loop."""


class Connections:
    """The open connections, by the event loop that serves them."""

    def __init__(self) -> None:
        self._open: dict[asyncio.AbstractEventLoop, set[Connection]] = {}
        self._lock = threading.Lock()

    def add(self, connection: Connection) -> None:
        """Have a connection of the running loop judged again from now on."""
        with self._lock:
            self._open.setdefault(asyncio.get_running_loop(), set()).add(connection)

    def discard(self, connection: Connection) -> None:
        """Forget a connection of the running loop."""
        loop = asyncio.get_running_loop()
        with self._lock:
            connections = self._open.get(loop, set())
            connections.discard(connection)
            if not connections:
                self._open.pop(loop, None)

    def count(self) -> int:
        """Return how many connections are open."""
        with self._lock:
            return sum(map(len, self._open.values()))

    def by_client(self) -> dict[str, int]:
        """Return how many connections each client has open."""
        with self._lock:
            return dict(Counter(one.client for each in self._open.values() for one in each))

    def recheck_all(self) -> None:
        """Have every connection judged again, each in its own loop."""
        with self._lock:
            loops = list(self._open)
        for loop in loops:
            try:
                loop.call_soon_threadsafe(self._recheck, loop)
            except RuntimeError:  # the loop was closed with its sockets still open
                with self._lock:
                    self._open.pop(loop, None)

    def _recheck(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            connections = list(self._open.get(loop, ()))
        for connection in connections:
            connection.recheck()


connections: Final = Connections()
"""The open connections of this process."""

holder.listen(connections.recheck_all)
