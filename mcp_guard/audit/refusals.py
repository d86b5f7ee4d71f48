"""Note refusals: an exact counter for each reason, a group in the inbox, and one JSON line each up to a rate.

A flood of refusals costs two counters and nothing else: lines past the rate are counted and summed up in
the next one that is written, and what the inbox has no room for is counted as the rest.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from typing import Final, NamedTuple

from mcp_guard.audit import counts, sums
from mcp_guard.audit.counts import WOULD_REFUSE
from mcp_guard.audit.inbox import Glimpse, Key, inbox
from mcp_guard.audit.redact import redacted
from mcp_guard.policy.decision import Reason
from mcp_guard.policy.endpoint import Endpoint
from mcp_guard.policy.facts import RequestHead, with_headers
from mcp_guard.policy.origin import MAX_LENGTH
from mcp_guard.policy.proxies import client_address

log = logging.getLogger("mcp_guard.refusals")

LINES_PER_SECOND: Final = 50
"""How many refusals are written in any one second; the others are counted."""

MAX_VALUE: Final = 200
"""Longest text taken over from a request, in characters."""

MAX_ORIGIN: Final = MAX_LENGTH + 1
MAX_HOST: Final = 261
"""How much of them is remembered: one character more than a row holds, so that it shows the cut."""

_SHOWN: Final = (b"host", b"origin")
"""Headers that every line shows as they came."""


class RefusalLog:
    """Which refusals of one process are written, and how many were not."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Drop everything, as a new process has nothing."""
        self._lock = threading.Lock()
        self._second = 0
        self._written = 0
        self._unwritten = 0

    def take(self, second: int) -> int | None:
        """Return how many lines were left out before this one, None to leave it out too."""
        with self._lock:
            if second != self._second:
                self._second, self._written = second, 0
            if self._written >= LINES_PER_SECOND:
                self._unwritten += 1
                return None
            self._written += 1
            unwritten, self._unwritten = self._unwritten, 0
            return unwritten


refusal_log: Final = RefusalLog()
"""The refusals of this process."""

os.register_at_fork(after_in_child=refusal_log.forget)  # a thread of the parent may hold the lock


class Likeness(NamedTuple):
    """What is noted alike of all refusals of requests that are alike.

    ``head`` is that of one of them, with no headers but those that are shown: it is kept, and a credential
    is not.
    """

    head: RequestHead
    counted_as: counts.Key
    summed_as: sums.Key
    group: Key
    address: str


def likeness(endpoint: Endpoint, head: RequestHead, reason: Reason, client: str = "") -> Likeness | None:
    """Return what the refusals of requests like this one have in common; None where each is an event.

    ``client`` is empty when nothing says whose requests they are.
    """
    if reason in sums.FAILURES:
        return None
    key = _key(endpoint, head, reason, "refused", client)
    counted_as = (key.endpoint, key.exchange, key.reason)
    address = client_address(head, endpoint)
    shown = {name: head.headers[name] for name in _SHOWN if name in head.headers}
    return Likeness(with_headers(head, shown), counted_as, sums.refusal_key(*counted_as), key, address)


def note_alike(known: Likeness, user_agent: str, correlation_id: str) -> None:
    """Do as ``note`` with one more of them, however its client calls itself."""
    counts.decisions.count_as(known.counted_as)
    sums.sums.count(known.summed_as)
    _note(known.group, known.head, known.address, user_agent, correlation_id)


def note(
    endpoint: Endpoint, head: RequestHead, reason: Reason, correlation_id: str, client: str = ""
) -> None:
    """Count a refusal and, within the rate, write it as one line of ASCII JSON.

    ``client`` is empty when nothing says whose request it was.

    Values of the request are cut, token texts in them masked, and everything outside of ASCII escaped.
    """
    counts.decisions.count(endpoint.name, head.exchange.value, reason.value)
    sums.refused(endpoint, head, reason, correlation_id)
    _note_one(_key(endpoint, head, reason, "refused", client), endpoint, head, correlation_id)


def note_would_refuse(endpoint: Endpoint, head: RequestHead, reason: Reason, client: str = "") -> None:
    """Do as ``note`` for what report-only let in; nobody is told a correlation id."""
    counts.decisions.count(endpoint.name, head.exchange.value, WOULD_REFUSE + reason.value)
    sums.refused(endpoint, head, reason, "", "would_refuse")
    _note_one(_key(endpoint, head, reason, "would_refuse", client), endpoint, head, "")


def _key(endpoint: Endpoint, head: RequestHead, reason: Reason, outcome: str, client: str) -> Key:
    origin, host = _start(head, b"origin", MAX_ORIGIN), _start(head, b"host", MAX_HOST)
    return Key(endpoint.name, head.exchange.value, reason.value, outcome, origin, host, client)


def _note_one(key: Key, endpoint: Endpoint, head: RequestHead, correlation_id: str) -> None:
    user_agent = head.headers.get(b"user-agent", b"").decode("latin-1")
    _note(key, head, client_address(head, endpoint), user_agent, correlation_id)


def _note(key: Key, head: RequestHead, address: str, user_agent: str, correlation_id: str) -> None:
    now = time.time()
    agent = user_agent[: MAX_VALUE + 1]
    glimpse = Glimpse(now, correlation_id, address, agent, key.origin, key.host)
    inbox.note(key, glimpse)
    unwritten = refusal_log.take(int(now))
    if unwritten is not None:
        _write(key, glimpse, head, unwritten)


def _write(key: Key, glimpse: Glimpse, head: RequestHead, unwritten: int) -> None:
    line = {
        "event": key.outcome,
        "correlation_id": glimpse.correlation_id,
        "endpoint": key.endpoint,
        "exchange": key.exchange,
        "reason": key.reason,
        "method": _text(head.method),
        "path": _text(head.path),
        "host": _value(head.headers.get(b"host")),
        "origin": _value(head.headers.get(b"origin")),
        "client_address": glimpse.address,
        "user_agent": _text(glimpse.user_agent) or None,
        "unwritten_before": unwritten,
    }
    if head.malformed is not None:
        line["malformed"] = head.malformed
    log.warning("%s", json.dumps(line))


def _start(head: RequestHead, name: bytes, length: int) -> str:
    """Return the beginning of a header as it came; the inbox makes it harmless when it is written down."""
    return head.headers.get(name, b"")[:length].decode("latin-1")


def _value(value: bytes | None) -> str | None:
    return None if value is None else _text(value.decode("latin-1"))


def _text(text: str) -> str:
    return redacted(text[:MAX_VALUE]).replace("\x7f", "?")
