"""Recall what was decided about heads that are alike, so that a client's next request costs a look-up.

A decision depends on the head, the policy, the credential and the time. Two requests whose heads have the
same signature differ in nothing that a rule reads; the entry holds for the snapshot it was made under, and
until the moment that the decision itself names. Keys hold digests, never a credential.
"""

from __future__ import annotations

from typing import Final

from mcp_guard.audit.counts import ADMITTED, Key
from mcp_guard.generations import Generations
from mcp_guard.known_answers import KnownAnswer
from mcp_guard.passage import Passage
from mcp_guard.policy.decision import Admitted
from mcp_guard.policy.endpoint import Endpoint
from mcp_guard.policy.facts import RequestHead
from mcp_guard.policy.snapshot import Snapshot
from mcp_guard.sighting import Sighting, Signature, with_varying
from mcp_guard.standing import Standing

GENERATION: Final = 2_048
"""How many decisions a generation has; there are two, so a flood of new heads only pushes old ones out."""

NOTED_SECONDS: Final = 5.0
"""How often the use of a token by requests that are alike is told, in seconds."""


class Known(Standing):
    """What was let in, and the head that was."""

    __slots__ = ("_head", "_passage", "_varying", "counted_as", "decision", "noted_until")

    def __init__(
        self,
        endpoint: Endpoint,
        snapshot: Snapshot,
        sighting: Sighting,
        head: RequestHead,
        decision: Admitted,
    ) -> None:
        super().__init__(endpoint, snapshot, decision.until)
        self.decision = decision
        self.counted_as: Key = (endpoint.name, head.exchange.value, ADMITTED)
        self.noted_until = 0.0
        self._head = head
        self._varying = sighting[2]
        self._passage: Passage | None = None

    def head(self, sighting: Sighting) -> RequestHead:
        """Return the head of a request that is alike."""
        _, outline, varying = sighting
        return self._head if varying == self._varying else with_varying(self._head, outline, varying)

    def passage(self, sighting: Sighting, admitted: Admitted) -> Passage:
        """Return the passage of a request that is alike; it is one and the same where nothing varies."""
        if sighting[2] != self._varying:
            return Passage(self.endpoint.name, self.head(sighting), admitted, sighting[1].pick_kept)
        if self._passage is None:
            self._passage = Passage(self.endpoint.name, self._head, admitted, sighting[1].pick_kept)
        return self._passage


recall: Final[Generations[Signature, Known | KnownAnswer]] = Generations(GENERATION)
"""What this process recalls, besides refusals."""
