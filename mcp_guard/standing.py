"""How long a decision about heads that are alike stands: what is recalled of it rests on this."""

from __future__ import annotations

from mcp_guard.policy.decision import FOR_GOOD
from mcp_guard.policy.endpoint import Endpoint
from mcp_guard.policy.snapshot import Snapshot


class Standing:
    """A decision under the policy that it was made under. ``until`` is the moment that it names itself."""

    __slots__ = ("endpoint", "snapshot", "until")

    def __init__(self, endpoint: Endpoint, snapshot: Snapshot, until: float) -> None:
        self.endpoint = endpoint
        self.snapshot = snapshot
        self.until = until

    def holds(self, endpoint: Endpoint, now: float) -> bool:
        """Return whether it is still what the rules would say, while its snapshot is the current one."""
        return self.endpoint is endpoint and (self.until == FOR_GOOD or now < self.until)
