"""One call over HTTP while it runs: its place among its principal's calls, and how it is cut off.

It is in the scope and on the request, so whoever learns more of it, the middleware or the server object,
finds it there. Its slot comes back when the last of those who run it has left.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final, NamedTuple

from mcp_guard.live.slots import Slots, calls, party, streams
from mcp_guard.mcp.jsonrpc import Kind, Message, RequestId
from mcp_guard.passage import Passage
from mcp_guard.policy.decision import Reason, Refused
from mcp_guard.policy.endpoint import Endpoint

CALL_KEY: Final = "mcp_guard.call"
"""Where the call is: key of the scope, and of the environment of a WSGI request."""

LISTEN: Final = "subscriptions/listen"
"""The method of revision 2026-07-28 whose answer goes on for as long as the client listens."""


class Judged(NamedTuple):
    """The body that an outer door judged, and what it knew of the application behind the gate."""

    body: bytes
    behind: object


class Call:
    """One call or stream. Whoever makes it runs it and leaves it at the end; others join and leave.

    ``recorded`` is the endpoint and the message which a door has the audit follow, so that no other one does.
    ``judged`` is the body that a door has judged which looks for lists in the answer, too; None where a later
    one has to.
    What most calls never come to is the class's, so that making one costs next to nothing.
    """

    judged: Judged | None = None
    request_id: RequestId | None = None
    is_stream = False
    is_cut = False
    recorded: tuple[str, Message | None] | None = None
    _slots: Slots | None = None
    """Of which slots it has one, taken for its party."""
    _party: Hashable = None
    _runners = 1
    _cut: Callable[[], None] | None = None

    def begin(self, endpoint: Endpoint, passage: Passage, message: Message | None) -> Refused | None:
        """Take the slot it needs; return why it is refused when there is none left.

        What asks for nothing needs none: answers and cancellations have to get through when all slots are
        taken, and so has the end of a session.
        """
        if message is not None:
            self.request_id = message.id
        if endpoint.judges_messages:
            is_request = message is not None and message.kind is Kind.REQUEST
            is_listening = message is not None and message.method == LISTEN
            self.is_stream = is_listening or passage.head.method in ("GET", "HEAD")
            if not is_request and not self.is_stream:
                return None
        if self._slots is not None:  # it went through two doors, and has its slot
            return None
        slots, limit = calls, endpoint.limits.calls_per_principal
        if self.is_stream:
            slots, limit = streams, endpoint.limits.streams_per_principal
        its_party = passage.party
        if its_party is None:
            its_party = passage.party = party(endpoint, passage.head, passage.principal)
        if slots.take(its_party, limit):
            self._slots, self._party = slots, its_party
            return None
        reason = Reason.STREAMS_OF_PRINCIPAL if self.is_stream else Reason.CALLS_OF_PRINCIPAL
        return Refused(reason, passage.admitted.cors, request_id=self.request_id)

    def join(self, cut: Callable[[], None]) -> bool:
        """Run it too: ``cut`` is called when it takes too long. False when it is over already."""
        with Slots.lock:
            if self.is_cut or not self._runners:
                return False
            self._runners += 1
            self._cut = cut
            return True

    def leave(self) -> None:
        """Run it no more; the last one gives the slot back."""
        lock = Slots.lock
        lock.acquire()  # without ``with``, as on the path of every request
        try:
            self._runners -= 1
            if self._runners or self._slots is None:
                return
            slots, self._slots = self._slots, None
            slots.release_within(self._party)
        finally:
            lock.release()

    def cut(self) -> None:
        """Cut off what still runs of it."""
        with Slots.lock:
            self.is_cut = True
        if self._cut is not None:
            self._cut()


def call_of(scope: Mapping[str, Any]) -> Call:
    """Return the call that an outer door has put into a scope, else a new one."""
    found = scope.get(CALL_KEY)
    return found if isinstance(found, Call) else Call()
