"""How long a decision about heads that are alike stands: what is recalled of it rests on this."""

from __future__ import annotations

from math import inf

from mcp_guard.policy.decision import FOR_GOOD
from mcp_guard.policy.endpoint import Endpoint
from mcp_guard.policy.snapshot import Snapshot


class Standing:
    """A decision under the policy that it was made under; before ``until`` it is what the rules would say.

    That is the moment that it names itself, infinite where it names none.
    """

    __slots__ = ("endpoint", "snapshot", "until")

    def __init__(self, endpoint: Endpoint, snapshot: Snapshot, until: float) -> None:
        self.endpoint = endpoint
        self.snapshot = snapshot
        self.until = inf if until == FOR_GOOD else until
