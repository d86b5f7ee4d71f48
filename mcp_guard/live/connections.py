"""The open sockets of this process, judged again after every change of policy."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Callable
from typing import Final, Protocol

log = logging.getLogger("mcp_guard.gate")


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
    """The open connections, each with the event loop that serves it.

    It is read and written by several threads: each step is one operation on a dict.
    """

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._loops: dict[Connection, asyncio.AbstractEventLoop] = {}

    def add(self, connection: Connection, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Have a connection judged again from now on, by default in the running loop."""
        self._loops[connection] = loop or asyncio.get_running_loop()

    def discard(self, connection: Connection) -> None:
        """Forget a connection."""
        self._loops.pop(connection, None)

    def count(self) -> int:
        """Return how many connections are open."""
        return len(self._loops)

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
        return list(self._loops)

    def _call(self, action: Callable[[Connection], None]) -> None:
        """Call an action for every connection, in the loop of each."""
        each_of: dict[asyncio.AbstractEventLoop, list[Connection]] = {}
        for connection, loop in list(self._loops.items()):
            each_of.setdefault(loop, []).append(connection)
        for loop, each in each_of.items():
            try:
                loop.call_soon_threadsafe(_call_each, action, each)
            except RuntimeError:  # the loop was closed with its sockets still open
                for connection in each:
                    self.discard(connection)


def _call_each(action: Callable[[Connection], None], each: list[Connection]) -> None:
    """Call it for each; where it fails, the others are judged all the same."""
    for one in each:
        try:
            action(one)
        except Exception:
            log.exception("an open connection could not be judged again")


connections: Final = Connections()
"""The open connections of this process."""

os.register_at_fork(after_in_child=connections._reset)  # noqa: SLF001 (they stay with the parent)
