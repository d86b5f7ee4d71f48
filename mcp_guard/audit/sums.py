"""Sum up what anybody can cause: single events up to a rate, then one event for many, with an exact count.

A stranger can be refused, or open a socket on a public endpoint, as often as he likes. What he causes is
counted by endpoint, exchange and outcome, three closed sets, so the audit trail grows with time alone.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from mcp_guard.audit import events
from mcp_guard.audit.events import Category, Event
from mcp_guard.policy.decision import Reason
from mcp_guard.policy.endpoint import Endpoint
from mcp_guard.policy.facts import RequestHead
from mcp_guard.policy.proxies import client_address

SECONDS: Final = 60.0
"""How long is counted before a sum becomes an event."""

SINGLE: Final = 60
"""How many events of one category a process records one by one within that time."""

FAILURES: Final = frozenset(
    {
        Reason.CREDENTIAL_MALFORMED,
        Reason.CREDENTIAL_AMBIGUOUS,
        Reason.TOKEN_IN_QUERY,
        Reason.TOKEN_MISTYPED,
        Reason.TOKEN_UNKNOWN,
        Reason.TOKEN_REVOKED,
        Reason.TOKEN_NOT_YET_VALID,
        Reason.TOKEN_EXPIRED,
        Reason.TOKEN_USER_INACTIVE,
        Reason.TOKEN_CLIENT_DISABLED,
        Reason.TOKEN_WRONG_ENDPOINT,
        Reason.TOKEN_WRONG_KIND,
        Reason.PRINCIPAL_CHANGED,
        Reason.AUTHENTICATION_TIMEOUT,
        Reason.FAILURES_TOO_MANY,
    }
)
"""Refusals that are failed authentications: somebody presented something, and it let nobody in."""


class Key(NamedTuple):
    """What is counted together."""

    category: Category
    tag: str
    endpoint: str
    exchange: str
    outcome: str


class Sums:
    """The sums of one process."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Drop everything, as a new process has nothing."""
        self._lock = threading.Lock()
        self._since = time.monotonic()
        self._counts: Counter[Key] = Counter()
        self._singles: Counter[Category] = Counter()

    def count(self, key: Key, single: Callable[[], Event] | None = None) -> None:
        """Count one; as long as the rate allows it, put ``single()`` as an event of its own instead."""
        with self._lock:
            if single is None or self._singles[key.category] >= SINGLE:
                self._counts[key] += 1
                return
            self._singles[key.category] += 1
        events.put(single())

    def sum_up(self, now: float, *, at_once: bool = False) -> None:
        """Put one event for each sum if the time for which is counted is over at a monotonic time."""
        with self._lock:
            seconds = now - self._since
            if seconds < SECONDS and not at_once:
                return
            self._since = now
            counts, self._counts = self._counts, Counter()
            self._singles.clear()
        for key, count in counts.items():
            events.put(Event(*key[:2], count=count, details={"seconds": round(seconds)}, **_places(key)))


def _places(key: Key) -> dict[str, Any]:
    return {"endpoint": key.endpoint, "exchange": key.exchange, "outcome": key.outcome}


sums: Final = Sums()
"""The sums of this process."""

os.register_at_fork(after_in_child=sums.forget)


def refused(
    endpoint: Endpoint, head: RequestHead, reason: Reason, correlation_id: str, tag: str = "refused"
) -> None:
    """Record a refusal: a failed authentication with where it came from, any other in the sum of its kind."""
    exchange = head.exchange.value
    if reason not in FAILURES:
        sums.count(refusal_key(endpoint.name, exchange, reason.value, tag))
        return
    key = Key(Category.AUTHENTICATION, "authentication:failed", endpoint.name, exchange, reason.value)
    sums.count(
        key,
        lambda: Event(
            *key[:2],
            address=client_address(head, endpoint),
            user_agent=head.headers.get(b"user-agent", b"").decode("latin-1"),
            correlation_id=correlation_id,
            **_places(key),
        ),
    )


def refusal_key(endpoint: str, exchange: str, reason: str, tag: str = "refused") -> Key:
    """Return under what a refusal is counted that is no failed authentication."""
    return Key(Category.REFUSAL, tag, endpoint, exchange, reason)


def sum_up() -> None:
    """Put the sums of this process as events when it is time; an errand."""
    sums.sum_up(time.monotonic())


def sum_up_at_once() -> None:
    """Put the sums of this process as events, at its end."""
    sums.sum_up(time.monotonic(), at_once=True)
