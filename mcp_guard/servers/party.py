"""Whom a process works for: everybody, or one principal alone."""

from __future__ import annotations

from typing import NamedTuple

from mcp_guard.policy.decision import Principal

Identity = tuple[int | None, int | None]
"""A principal's client and, with one, its user; they outlive the rotation of a token."""


class Party(NamedTuple):
    """A server and whom its process works for. ``identity`` is None where that is everybody."""

    server: str
    identity: Identity | None = None
    client: str = ""

    @property
    def key(self) -> tuple[str, Identity | None]:
        """What tells processes apart; a client that is renamed keeps its own."""
        return self.server, self.identity

    @property
    def user_id(self) -> int | None:
        """The user whom it works for."""
        return None if self.identity is None else self.identity[1]

    @property
    def label(self) -> str:
        """Whom it works for, in words."""
        if self.identity is None:
            return "everybody"
        name = self.client or "anonymous"
        return name if self.user_id is None else f"{name}, user #{self.user_id}"


def everybody(server: str) -> Party:
    """Return the party of a server that all principals share."""
    return Party(server)


def only(server: str, principal: Principal) -> Party:
    """Return the party of one principal; those who are anonymous are one."""
    return Party(server, principal.identity, principal.client)
