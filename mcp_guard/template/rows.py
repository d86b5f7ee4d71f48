"""What the rows of a template are for, and the rows that it meets, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple

from mcp_guard.policy.credential import TokenKind
from mcp_guard.policy.endpoint import Messages, Profile
from mcp_guard.template.authentication import Entry


class Target(NamedTuple):
    """What the rows are for. ``kind`` is that of all tokens, ``longest`` how long one may live.

    ``server`` is the registered server that is confined, empty where nobody names one. ``requires_tls`` and
    ``knows_proxies`` say what the settings will: plain HTTP is refused, there are trusted proxies.
    """

    endpoint: str
    client: str
    profile: Profile
    messages: Messages
    longest: timedelta
    kind: TokenKind = TokenKind.SERVER
    server: str = ""
    requires_tls: bool = True
    knows_proxies: bool = True

    def scope(self, entry: Entry) -> str:
        """Return the name of the scope of a token."""
        return f"{self.client}-{entry.slug}"

    @property
    def mark(self) -> str:
        """The description of scopes that come from a template: others are left alone."""
        return f"From a template, for {self.client}."


class PresentOrigin(NamedTuple):
    """A row of the allowlist that is there."""

    client: str
    endpoints: tuple[str, ...]
    in_force: bool


class PresentScope(NamedTuple):
    """A scope that is there."""

    grants: tuple[str, ...]
    description: str


class PresentToken(NamedTuple):
    """A live token of the client that is there."""

    number: int
    kind: str
    endpoints: tuple[str, ...]
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Present:
    """The rows that are there. ``client_active`` is None where there is no such client.

    ``origins`` are those that the template names, ``others`` are listed besides for its client and endpoint.
    ``server`` are the fields of the registered server, None where there is none.
    """

    client_active: bool | None = None
    origins: Mapping[str, PresentOrigin] = field(default_factory=dict)
    others: tuple[str, ...] = ()
    scopes: Mapping[str, PresentScope] = field(default_factory=dict)
    tokens: Mapping[str, PresentToken] = field(default_factory=dict)
    server: Mapping[str, Any] | None = None
