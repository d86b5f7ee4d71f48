"""How one open socket or stream keeps to the limits of its endpoint; times are monotonic seconds."""

from __future__ import annotations

from mcp_guard.policy.decision import Reason
from mcp_guard.policy.limits import BURST_SECONDS, Limits
from mcp_guard.policy.rate import Bucket


class Pace:
    """What of one connection has to be known to tell when it goes beyond a limit."""

    __slots__ = ("_bucket", "_last_at", "_limits", "_opened_at", "_sending_since", "open_calls", "sending")

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self._bucket: Bucket | None = None  # it is full until the first message
        self._opened_at = now
        self._last_at = now
        self.sending = 0
        """How many things are being sent that are not out yet."""
        self._sending_since = 0.0
        self.open_calls = 0
        """How many calls run on it; a socket that waits for one is not idle."""

    def take(self, now: float) -> bool:
        """Count a message that came in; return whether it came in time."""
        self._last_at = now
        per_second = self._limits.messages_per_second
        bucket, burst = self._bucket, per_second * BURST_SECONDS
        if bucket is None:
            bucket = self._bucket = Bucket(burst, now)
        return bucket.take(now, per_second, burst)

    def begin_send(self, now: float) -> None:
        """Note that something is being sent."""
        self._last_at = now
        if not self.sending:
            self._sending_since = now
        self.sending += 1

    def end_send(self, now: float) -> None:
        """Note that one of the things being sent is out, so the other side reads."""
        self.sending -= 1
        self._sending_since = now

    def overdue(self, now: float) -> Reason | None:
        """Return why a socket has to be closed now, None when it may stay."""
        limits = self._limits
        if self.is_unread(now):
            return Reason.PEER_NOT_READING
        if self.is_open_for(limits.socket_seconds, now):
            return Reason.SOCKET_TOO_OLD
        if now - self._last_at >= limits.idle_seconds and not self.open_calls:
            return Reason.SOCKET_IDLE
        return None

    def is_open_for(self, seconds: float, now: float) -> bool:
        """Return whether it has been open for so many seconds."""
        return now - self._opened_at >= seconds

    def is_unread(self, now: float) -> bool:
        """Return whether the other side has left unread for too long what is being sent to it."""
        return self.sending > 0 and now - self._sending_since >= self._limits.send_seconds
