"""The policy at one revision, immutable: what ``decide`` looks things up in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mcp_guard.policy.allowlist import Allowlist
from mcp_guard.policy.credential import TokenRecord
from mcp_guard.policy.decision import Reason
from mcp_guard.policy.endpoint import Endpoint
from mcp_guard.policy.registration import Registration
from mcp_guard.policy.scopes import NO_GRANTS, Grants


@dataclass(frozen=True, slots=True)
class EndpointPolicy:
    """One endpoint with the rows about it. ``report_only_until``: seconds since the epoch, 0 is never.

    ``unserved`` is why nothing answers behind it, whoever asks; None where something does.
    """

    endpoint: Endpoint
    allowlist: Allowlist = field(default_factory=dict)
    report_only_until: float = 0.0
    public_grants: Grants = NO_GRANTS
    local_grants: Grants = NO_GRANTS
    unserved: Reason | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All of policy at one revision.

    ``tokens`` holds a record for each secret by its SHA-256. ``problems`` says which rows could not be
    parsed and are ignored, in the words an operator reads. ``max_age`` is in seconds. ``is_partial`` says
    that the database has more tokens than are held here. ``servers`` are the registered ones that may run, by
    name.
    """

    revision: int
    epoch: str
    max_age: float
    endpoints: Mapping[str, EndpointPolicy]
    tokens: Mapping[bytes, TokenRecord]
    problems: tuple[str, ...] = ()
    is_partial: bool = False
    servers: Mapping[str, Registration] = field(default_factory=dict)
