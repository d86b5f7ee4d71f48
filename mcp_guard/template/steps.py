"""What is done to rows for a template, as values; ``path`` is the field that it is done for."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from mcp_guard.policy.credential import TokenKind


class AddClient(NamedTuple):
    """Add the client."""

    path: str


class ListOrigin(NamedTuple):
    """List an origin for the client; ``opened`` are the endpoints of its row, empty where it has none yet."""

    path: str
    origin: str
    opened: tuple[str, ...] = ()


class WriteScope(NamedTuple):
    """Add a scope, or replace the grants of one that is there."""

    path: str
    name: str
    grants: tuple[str, ...]
    replaced: tuple[str, ...] | None = None


class IssueToken(NamedTuple):
    """Issue a token; ``expires_at`` is None for the setting's default."""

    path: str
    name: str
    kind: TokenKind
    scope: str
    expires_at: datetime | None


class SetServer(NamedTuple):
    """Confine a registered server otherwise; ``before`` has the values that are replaced."""

    path: str
    name: str
    values: dict[str, Any]
    before: dict[str, Any]


class Keep(NamedTuple):
    """Leave a row as it is, which is what the template says."""

    path: str
    what: str
    name: str
    why: str


Step = AddClient | ListOrigin | WriteScope | IssueToken | SetServer | Keep
