"""Know how requests are answered that are alike and not let in: preflights, and refusals that last.

Each of them is counted, and each refusal noted under a correlation id of its own, as if it had been judged.
Refusals have generations of their own: a flood of them pushes out nothing that is known of others.
"""

from __future__ import annotations

from typing import Final

from mcp_guard import blanks
from mcp_guard.audit import refusals
from mcp_guard.audit.correlation import correlation_ids
from mcp_guard.audit.counts import PREFLIGHT, decisions
from mcp_guard.generations import Generations
from mcp_guard.policy import reply
from mcp_guard.policy.decision import PreflightGranted, Refused
from mcp_guard.policy.endpoint import Endpoint
from mcp_guard.policy.facts import RequestHead
from mcp_guard.policy.snapshot import Snapshot
from mcp_guard.sighting import Sighting, Signature, user_agent
from mcp_guard.standing import Standing

REFUSALS: Final = 512
"""How many refusals a generation has; there are two."""


class KnownAnswer(Standing):
    """How heads that are alike are answered as long as the decision stands."""

    __slots__ = ()

    def answer(self, sighting: Sighting) -> reply.Reply:
        """Return the answer to one more of them, counted and noted."""
        raise NotImplementedError


class KnownPreflight(KnownAnswer):
    """How granted preflights are answered that are alike."""

    __slots__ = ("_count", "_reply")

    def __init__(
        self, endpoint: Endpoint, snapshot: Snapshot, head: RequestHead, granted: PreflightGranted
    ) -> None:
        super().__init__(endpoint, snapshot, granted.until)
        self._count = decisions.of((endpoint.name, head.exchange.value, PREFLIGHT)).add
        self._reply = reply.preflight(granted)

    def answer(self, sighting: Sighting) -> reply.Reply:  # noqa: ARG002 (nothing of it varies)
        """Return the answer, which is one and the same."""
        self._count()
        return self._reply


class KnownRefusal(KnownAnswer):
    """How refusals are answered that are alike."""

    __slots__ = ("_blank", "_likeness")

    def __init__(
        self, endpoint: Endpoint, snapshot: Snapshot, refused: Refused, likeness: refusals.Likeness
    ) -> None:
        super().__init__(endpoint, snapshot, refused.until)
        self._likeness = likeness
        self._blank = blanks.of(refused, endpoint)

    def answer(self, sighting: Sighting) -> reply.Reply:
        """Return the answer to one more, noted under a fresh id."""
        correlation_id = correlation_ids.take()
        refusals.note_alike(self._likeness, user_agent(sighting), correlation_id)
        return self._blank.filled_in(correlation_id)


class KnownClose(KnownAnswer):
    """With which code WebSockets are closed whose handshakes are alike and refused."""

    __slots__ = ("_likeness", "_reply")

    def __init__(
        self, endpoint: Endpoint, snapshot: Snapshot, refused: Refused, likeness: refusals.Likeness
    ) -> None:
        super().__init__(endpoint, snapshot, refused.until)
        self._likeness = likeness
        self._reply = reply.Reply(reply.close_code(refused.reason), [], b"")

    def answer(self, sighting: Sighting) -> reply.Reply:
        """Return an answer whose status is the close code, noting it under an id that nobody is told."""
        refusals.note_alike(self._likeness, user_agent(sighting), correlation_ids.take())
        return self._reply


known_refusals: Final[Generations[Signature, KnownRefusal | KnownClose]] = Generations(REFUSALS)
"""The refusals that this process knows."""
