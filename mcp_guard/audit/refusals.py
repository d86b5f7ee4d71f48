"""Note refusals: an exact counter for each reason, and one JSON line each up to a rate.

A flood of refusals costs a counter and nothing else: lines past the rate are counted and summed up in
the next one that is written.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from typing import Final

from mcp_guard.audit.counts import decisions
from mcp_guard.audit.redact import redacted
from mcp_guard.policy.decision import Reason
from mcp_guard.policy.endpoint import Endpoint
from mcp_guard.policy.facts import RequestHead
from mcp_guard.policy.proxies import client_address

log = logging.getLogger("mcp_guard.refusals")

LINES_PER_SECOND: Final = 50
"""How many refusals are written in any one second; the others are counted."""

MAX_VALUE: Final = 200
"""Longest text taken over from a request, in characters."""


class RefusalLog:
    """Which refusals of one process are written, and how many were not."""

    def __init__(self) -> None:
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


def note(
    endpoint: Endpoint, head: RequestHead, reason: Reason, correlation_id: str, event: str = "refused"
) -> None:
    """Count a refusal and, within the rate, write it as one line of ASCII JSON.

    ``event`` is ``would_refuse`` for what report-only let in.

    Values of the request are cut, token texts in them masked, and everything outside of ASCII escaped.
    """
    outcome = reason.value if event == "refused" else f"{event}:{reason.value}"
    decisions.count(endpoint.name, head.exchange.value, outcome)
    unwritten = refusal_log.take(int(time.monotonic()))
    if unwritten is None:
        return
    headers = head.headers
    line = {
        "event": event,
        "correlation_id": correlation_id,
        "endpoint": endpoint.name,
        "exchange": head.exchange.value,
        "reason": reason.value,
        "method": _text(head.method),
        "path": _text(head.path),
        "host": _value(headers.get(b"host")),
        "origin": _value(headers.get(b"origin")),
        "client_address": client_address(head, endpoint),
        "user_agent": _value(headers.get(b"user-agent")),
        "unwritten_before": unwritten,
    }
    if head.malformed is not None:
        line["malformed"] = head.malformed
    log.warning("%s", json.dumps(line))


def _value(value: bytes | None) -> str | None:
    return None if value is None else _text(value.decode("latin-1"))


def _text(text: str) -> str:
    return redacted(text[:MAX_VALUE]).replace("\x7f", "?")
