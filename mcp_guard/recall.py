"""Recall what was decided about heads that are alike, so that a client's next request costs a look-up.

A decision depends on the head, the policy, the credential and the time. Two requests whose heads have the
same signature differ in nothing that a rule reads; the entry holds for the snapshot it was made under, and
until the moment that the decision itself names. Keys hold digests, never a credential.
"""

from __future__ import annotations

from typing import Final

from mcp_guard.audit.counts import ADMITTED, decisions
from mcp_guard.generations import Generations
from mcp_guard.known_answers import KnownAnswer
from mcp_guard.passage import Passage
from mcp_guard.policy.decision import Admitted
from mcp_guard.policy.endpoint import Endpoint
from mcp_guard.policy.facts import RequestHead
from mcp_guard.policy.snapshot import Snapshot
from mcp_guard.policy.stamp import added_headers
from mcp_guard.sighting import Sighting, Signature, with_varying
from mcp_guard.standing import Standing

GENERATION: Final = 2_048
"""How many decisions a generation has; there are two, so a flood of new heads only pushes old ones out."""

NOTED_SECONDS: Final = 5.0
"""How often the use of a token by requests that are alike is told, in seconds."""


class Known(Standing):
    """What was let in, and the head that was. ``count`` counts one more request that is alike."""

    __slots__ = ("_passage", "_varying", "count", "noted_until")

    def __init__(
        self,
        endpoint: Endpoint,
        snapshot: Snapshot,
        sighting: Sighting,
        head: RequestHead,
        decision: Admitted,
    ) -> None:
        super().__init__(endpoint, snapshot, decision.until)
        _, outline, self._varying = sighting
        self.count = decisions.of((endpoint.name, head.exchange.value, ADMITTED)).add
        self.noted_until = 0.0
        self._passage = Passage(endpoint.name, head, decision, outline.pick_kept, {})
        self._passage.added = added_headers(decision)

    def passage(self, sighting: Sighting) -> Passage:
        """Return the passage of a request that is alike; it is one and the same where nothing varies."""
        _, outline, varying = sighting
        if varying == self._varying:
            return self._passage
        alike = self._passage
        head = with_varying(alike.head, outline, varying)
        passage = Passage(alike.endpoint, head, alike.admitted, outline.pick_kept, alike.permitted)
        passage.added, passage.party = alike.added, alike.party
        return passage


recall: Final[Generations[Signature, Known | KnownAnswer]] = Generations(GENERATION)
"""What this process recalls, besides refusals."""
