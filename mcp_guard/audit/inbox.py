"""Remember refusals that are alike as one group, until the thread ``recording`` writes them down.

Memory is bounded: what comes when there are too many groups is counted, exactly, into the rest of its
endpoint, exchange, reason and outcome. Those are closed sets, so there are never many rests.
"""

from __future__ import annotations

import os
import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

MAX_GROUPS: Final = 200
"""How many groups a process remembers besides the rests."""

RECENT: Final = 5
"""How many single refusals of a group are remembered, the latest."""

HOURS: Final = 168
"""For how many hours a group says how often it came in each."""

HOUR: Final = 3600.0


class Key(NamedTuple):
    """What makes refusals alike. ``is_rest``: all those without a group; origin, host and client are empty.

    ``outcome`` is ``refused`` or, for what report-only let in, ``would_refuse``. ``client`` is empty when
    nothing says whose request it was.
    """

    endpoint: str
    exchange: str
    reason: str
    outcome: str
    origin: str = ""
    host: str = ""
    client: str = ""
    is_rest: bool = False

    @property
    def rest(self) -> Key:
        """The rest that counts it when it has no group."""
        return Key(self.endpoint, self.exchange, self.reason, self.outcome, is_rest=True)


class Glimpse(NamedTuple):
    """One refusal. ``at`` is in seconds since the epoch; ``correlation_id`` is empty when nobody got one."""

    at: float
    correlation_id: str
    address: str
    user_agent: str
    origin: str
    host: str


@dataclass(slots=True)
class Group:
    """How often refusals of one key came, since when, and the latest of them.

    ``hours`` counts them by the hours since the epoch.
    """

    count: int = 0
    first: float = float("inf")
    last: float = 0.0
    latest: deque[Glimpse] = field(default_factory=lambda: deque(maxlen=RECENT))
    hours: Counter[int] = field(default_factory=Counter)

    def see(self, glimpse: Glimpse) -> None:
        """Count one more."""
        at = glimpse.at
        self.count += 1
        if at < self.first:  # noqa: PLR1730 (min and max take four times as long, for each refusal)
            self.first = at
        if at > self.last:  # noqa: PLR1730
            self.last = at
        self.latest.append(glimpse)
        self.hours[int(at // HOUR)] += 1

    def add(self, later: Group) -> None:
        """Count what came later, too."""
        self.count += later.count
        self.first = min(self.first, later.first)
        self.last = max(self.last, later.last)
        self.latest.extend(later.latest)
        self.hours.update(later.hours)
        for hour in sorted(self.hours)[:-HOURS]:
            del self.hours[hour]


class Inbox:
    """The groups of one process that are not written down yet."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Drop everything, as a new process has nothing."""
        self._lock = threading.Lock()
        self._groups: dict[Key, Group] = {}
        self._rests: dict[Key, Group] = {}

    def __len__(self) -> int:
        return len(self._groups) + len(self._rests)

    def note(self, key: Key, glimpse: Glimpse) -> None:
        """Count a refusal in its group, or in the rest when there are too many groups."""
        with self._lock:
            (self._groups.get(key) or self._group(key)).see(glimpse)

    def take(self) -> dict[Key, Group]:
        """Return all groups and forget them."""
        with self._lock:
            taken = {**self._groups, **self._rests}
            self._groups, self._rests = {}, {}
        return taken

    def put_back(self, taken: Mapping[Key, Group]) -> None:
        """Remember again what was taken and could not be written; it is older than what came meanwhile."""
        with self._lock:
            newer = {**self._groups, **self._rests}
            self._groups, self._rests = {}, {}
            for key, group in _each(taken, newer):
                self._group(key).add(group)

    def _group(self, key: Key) -> Group:
        """Return where a key is counted; the lock is held."""
        found = self._groups.get(key)
        if found is not None:
            return found
        if not key.is_rest and len(self._groups) < MAX_GROUPS:
            return self._groups.setdefault(key, Group())
        return self._rests.setdefault(key.rest, Group())


def _each(*several: Mapping[Key, Group]) -> Iterator[tuple[Key, Group]]:
    for groups in several:
        yield from groups.items()


inbox: Final = Inbox()
"""The refusals of this process that are not written down yet."""

os.register_at_fork(after_in_child=inbox.forget)  # the parent writes down what it saw
