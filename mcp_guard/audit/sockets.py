"""Record the opening and the end of WebSockets: each one of somebody who is known, and sums of the others.

Anybody may open sockets on a public endpoint, so those are recorded up to a rate.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from django.utils import timezone

from mcp_guard.audit.events import Category, Event, recorder
from mcp_guard.audit.sums import Key, sums
from mcp_guard.policy.decision import Principal
from mcp_guard.policy.endpoint import Endpoint
from mcp_guard.policy.facts import RequestHead
from mcp_guard.policy.proxies import client_address

OPEN = "socket:open"
CLOSE = "socket:close"

_SOCKET: Final = Category.SOCKET  # before Python 3.12, each look at a member of an enumeration is a call

LEFT = "left"
"""Outcome of a socket that its client closed, or whose connection was lost."""

CLOSED = "closed"
"""Outcome of a socket that was closed here without a refusal."""


class SocketRecord:
    """What is recorded of one socket. ``outcome`` and ``code`` say how it ended, once it has.

    ``received`` and ``sent`` say how many messages went over it until then.

    Opening and end are kept as moments here, and become events when they are written.
    """

    __slots__ = (
        "_endpoint",
        "_head",
        "_id",
        "_is_known",
        "_is_open",
        "_principal",
        "_since",
        "_until",
        "code",
        "outcome",
        "received",
        "sent",
    )

    def __init__(self, endpoint: Endpoint, head: RequestHead) -> None:
        self._endpoint = endpoint
        self._head = head
        self._principal: Principal | None = None
        self._id = ""
        self._is_open = False
        self.received = self.sent = 0
        self.outcome = CLOSED
        self.code = 0

    def open(self, principal: Principal) -> None:
        """Record that somebody was let in; once, whatever happens to the socket later on."""
        if self._principal is None:
            self._principal, self._is_open = principal, True
            self._is_known = principal.client_id is not None or principal.user_id is not None
            self._since = time.monotonic()
            if self._is_known:
                recorder.put_late(_SOCKET, self._opening)
            else:
                self._sum_up(OPEN, "", self._opening)

    def close(self) -> None:
        """Record the end, once; a socket in which nobody was let in has none."""
        if not self._is_open:
            return
        self._is_open = False
        self._until = time.monotonic()
        if self._is_known:
            recorder.put_late(_SOCKET, self._end)
        else:
            self._sum_up(CLOSE, self.outcome, self._end)

    def _sum_up(self, tag: str, outcome: str, single: Callable[[], Event]) -> None:
        endpoint, exchange = self._endpoint.name, self._head.exchange.value
        sums.count(Key(Category.SOCKET, tag, endpoint, exchange, outcome), single)

    def _opening(self) -> Event:
        return self._event(OPEN, "", self._since, {})

    def _end(self) -> Event:
        seconds = round(self._until - self._since, 3)
        counts = {"seconds": seconds, "received": self.received, "sent": self.sent}
        return self._event(CLOSE, self.outcome, self._until, {"code": self.code, **counts})

    def _event(self, tag: str, outcome: str, moment: float, details: dict[str, float]) -> Event:
        """Return what happened at a monotonic moment."""
        principal, endpoint, head = self._principal or Principal(), self._endpoint, self._head
        self._id = self._id or secrets.token_hex(8)
        return Event(
            Category.SOCKET,
            tag,
            outcome=outcome,
            endpoint=endpoint.name,
            exchange=head.exchange.value,
            client=principal.client,
            user_id=principal.user_id,
            token_id=principal.token_id,
            address=client_address(head, endpoint),
            user_agent=head.headers.get(b"user-agent", b"").decode("latin-1"),
            correlation_id=self._id,
            details=details,
            at=timezone.now() - timedelta(seconds=time.monotonic() - moment),
        )
