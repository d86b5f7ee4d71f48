"""The open sockets of this process, judged again after every change of policy."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import Counter
from collections.abc import Callable
from typing import Final, Protocol


class Connection(Protocol):
    """Something open that goes on only as long as the gate would let it in."""

    @property
    def client(self) -> str:
        """The client whose connection it is; empty for nobody's yet."""
        ...

    @property
    def session_key(self) -> str:
        """The session it was admitted by; empty when it was none."""
        ...

    @property
    def user_id(self) -> int | None:
        """The user it acts for."""
        ...

    def recheck(self) -> None:
        """Judge it again if anything has moved, and close it if it is refused; called in its own loop."""
        ...

    def doubt(self) -> None:
        """Judge it again in any case; called in its own loop."""
        ...


class Connections:
    """The open connections, by the event loop that serves them."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
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
        return dict(Counter(one.client for one in self._all()))

    def sessions(self) -> set[str]:
        """Return the keys of the sessions that connections were admitted by."""
        return {one.session_key for one in self._all() if one.session_key}

    def users(self) -> set[int]:
        """Return the users of connections that were admitted by a session."""
        return {one.user_id for one in self._all() if one.session_key and one.user_id is not None}

    def recheck_all(self) -> None:
        """Have every connection judged again, each in its own loop."""
        self._call(lambda one: one.recheck())

    def doubt(self, sessions: set[str], users: set[int]) -> None:
        """Have the connections of some sessions and users judged again, whatever the policy says."""
        if not sessions and not users:
            return

        def doubt(one: Connection) -> None:
            if one.session_key and (one.session_key in sessions or one.user_id in users):
                one.doubt()

        self._call(doubt)

    def _all(self) -> list[Connection]:
        with self._lock:
            return [one for each in self._open.values() for one in each]

    def _call(self, action: Callable[[Connection], None]) -> None:
        """Call an action for every connection, in the loop of each."""
        with self._lock:
            loops = {loop: list(each) for loop, each in self._open.items()}
        for loop, each in loops.items():
            try:
                loop.call_soon_threadsafe(_call_each, action, each)
            except RuntimeError:  # the loop was closed with its sockets still open
                with self._lock:
                    self._open.pop(loop, None)


def _call_each(action: Callable[[Connection], None], each: list[Connection]) -> None:
    for one in each:
        action(one)


connections: Final = Connections()
"""The open connections of this process."""

os.register_at_fork(after_in_child=connections._reset)  # noqa: SLF001 (they stay with the parent)
