"""How many of something one party has in this process: sockets, calls, streams.

A count exists only while it is not zero, so memory grows with what is open and not with who could open it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Hashable, Iterable, Sequence
from typing import ClassVar, Final

from mcp_guard.policy.decision import Principal
from mcp_guard.policy.endpoint import Endpoint
from mcp_guard.policy.facts import RequestHead
from mcp_guard.policy.proxies import client_address, network_of


class Slots:
    """Counts by key. A key of None is nobody's in particular and is not counted.

    ``lock`` is one for all, so that whoever gives a slot back can do so along with what that depends on. What
    is on the path of every request takes it without ``with``, which would take twice as long.
    """

    lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget what is counted, as in a process that was forked."""
        self._taken: dict[Hashable, int] = {}

    def take(self, key: Hashable, limit: int) -> bool:
        """Take one more of a party's slots; return False when it has as many as the limit says."""
        if key is None:
            return True
        lock, counts = self.lock, self._taken
        lock.acquire()
        try:
            taken = counts.get(key, 0)
            if taken >= limit:
                return False
            counts[key] = taken + 1
            return True
        finally:
            lock.release()

    def release(self, key: Hashable) -> None:
        """Give back a slot that was taken."""
        with self.lock:
            self.release_within(key)

    def release_within(self, key: Hashable) -> None:
        """Do as ``release`` for who has the lock."""
        if key is None:
            return
        counts = self._taken
        taken = counts[key] - 1
        if taken:
            counts[key] = taken
        else:
            del counts[key]

    def take_each(self, parties: Sequence[tuple[Hashable, int]]) -> int | None:
        """Take one slot of each of these parties, or none at all.

        Return the place of the first that has as many as the limit beside it says; None when they are taken.
        """
        taken = self._taken
        with self.lock:
            for place, (key, limit) in enumerate(parties):
                if key is None:
                    continue
                count = taken.get(key, 0)
                if count >= limit:
                    for key_before, _ in parties[:place]:
                        self.release_within(key_before)
                    return place
                taken[key] = count + 1
        return None

    def release_each(self, parties: Iterable[tuple[Hashable, int]]) -> None:
        """Give back what ``take_each`` took."""
        with self.lock:
            for key, _ in parties:
                self.release_within(key)

    def all(self) -> dict[Hashable, int]:
        """Return what is taken, by key."""
        with self.lock:
            return dict(self._taken)


def party(endpoint: Endpoint, head: RequestHead, principal: Principal) -> Hashable:
    """Return whose slots an exchange takes: its principal's or, where that is nobody, its address's.

    None where neither is known.
    """
    if principal.client_id is None and principal.user_id is None:
        network = network_of(client_address(head, endpoint))
        return (endpoint.name, network) if network else None
    return (endpoint.name, principal.client_id, principal.user_id)


sockets: Final = Slots()
"""The open WebSockets of this process: of everybody, by address and by principal."""

calls: Final = Slots()
"""The calls that run in this process, over HTTP and WebSocket."""

streams: Final = Slots()
"""The event streams of this process that belong to no call."""


def _reset() -> None:
    Slots.lock = threading.Lock()
    for each in (sockets, calls, streams):
        each.reset()


os.register_at_fork(after_in_child=_reset)
