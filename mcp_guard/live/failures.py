"""Failed authentications of this process, by address and by token: past a bound, a 401 becomes a 429.

Nobody who presents a good credential is concerned, so an attacker cannot lock anybody out.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from math import ceil
from typing import Final

from mcp_guard.conf import config
from mcp_guard.policy import reply
from mcp_guard.policy.credential import Presented, PresentedToken
from mcp_guard.policy.decision import Reason, Refused
from mcp_guard.policy.endpoint import Endpoint
from mcp_guard.policy.facts import RequestHead
from mcp_guard.policy.proxies import client_address, network_of
from mcp_guard.policy.rate import Failures
from mcp_guard.presented import present

FAILURES: Final = frozenset(reason for reason in Reason if reply.status(reason) == 401) - {
    Reason.CREDENTIAL_MISSING,
    Reason.NONCE_MISSING,
    Reason.AUTHENTICATION_TIMEOUT,
}
"""Refusals of something that was presented; asking without a credential first is how clients begin."""


class FailedAuthentications:
    """The counts of one process, in constant memory."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self._lock = threading.Lock()
        self._by_address = Failures(secrets.token_bytes(16))
        self._by_token = Failures(secrets.token_bytes(16))

    def limit(
        self, refused: Refused, endpoint: Endpoint, head: RequestHead, presented: Presented | None = None
    ) -> Refused:
        """Count a failure; return the refusal as it is, or that there were too many.

        ``presented`` is None for what the head presents.
        """
        if refused.reason not in FAILURES:
            return refused
        if presented is None:
            presented = present(head, endpoint)
        wait = self._count(network_of(client_address(head, endpoint)), presented, time.monotonic())
        if not wait:
            return refused
        return Refused(Reason.FAILURES_TOO_MANY, refused.cors, retry_after=ceil(wait))

    def _count(self, network: str, presented: Presented, now: float) -> float:
        """Return how long to wait; an address that the server does not tell is not counted."""
        settings = config()
        wait = 0.0
        with self._lock:
            if network:
                wait = self._by_address.add(network.encode(), now, settings.failures_per_address)
            if isinstance(presented, PresentedToken):
                of_token = self._by_token.add(presented.digest, now, settings.failures_per_token)
                wait = max(wait, of_token)
        return wait


failures: Final = FailedAuthentications()
"""The failed authentications of this process."""

os.register_at_fork(after_in_child=failures.forget)
