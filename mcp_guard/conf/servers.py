"""Settings of registered servers: the endpoints that their rows make, and what a row may be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from django.conf import settings

from mcp_guard.conf.endpoint import build
from mcp_guard.conf.reader import ProblemKind, Reader
from mcp_guard.policy.endpoint import Endpoint, Messages, Network, Profile
from mcp_guard.policy.registration import Level

UNKNOWN: Final = "servers"
"""The endpoint that stands for every server that is not registered; nothing names it, nobody is let in."""

PREFIX: Final = "servers."
"""What stands before the name of a registered server in the name of its endpoint."""

SERVER_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}")
"""Grammar of a registered server's name: one segment of a path, and the rest of an endpoint's name."""

_REMEMBERED: Final = 2_000


@dataclass(frozen=True, slots=True)
class Servers:
    """What ``MCP_GUARD`` says of registered servers.

    ``endpoint`` is what theirs are made from, None where the project serves none. ``level`` is the loosest
    confinement that one may have, ``rows`` how many there may be. ``processes`` run in one of the portal at
    most.
    """

    endpoint: Endpoint | None = None
    need_approval: bool = True
    level: Level = Level.REQUIRED
    rows: int = 200
    processes: int = 50
    made: dict[str, Endpoint] = field(default_factory=dict, compare=False)

    def made_for(self, name: str) -> Endpoint | None:
        """Return the endpoint of a name under PREFIX, or UNKNOWN; None for another name, or without any.

        Which of them there are, rows say. One name gives one object for as long as it is remembered.
        """
        if self.endpoint is None:
            return None
        if name == UNKNOWN:
            return self.endpoint
        found = self.made.get(name)
        if found is not None:
            return found
        if not name.startswith(PREFIX) or not SERVER_NAME.fullmatch(name.removeprefix(PREFIX)):
            return None
        if len(self.made) >= _REMEMBERED:
            self.made.clear()
        return self.made.setdefault(name, replace(self.endpoint, name=name))


def servers(
    reader: Reader, declared: Mapping[str, Any], proxies: tuple[Network, ...], roots: frozenset[str]
) -> Servers:
    """Return what the settings say of registered servers; what is wrong with it goes to the reader."""
    return Servers(
        _endpoint(reader, declared, proxies, roots),
        need_approval=reader.flag("SERVERS_NEED_APPROVAL", default=not settings.DEBUG),
        level=reader.choice("SERVERS_LEVEL", Level, Level.REQUIRED),
        rows=reader.count("SERVER_ROWS", 200, 1, 1_000),
        processes=reader.count("SERVER_PROCESSES", 50, 1, 1_000),
    )


def _endpoint(
    reader: Reader, declared: Mapping[str, Any], proxies: tuple[Network, ...], roots: frozenset[str]
) -> Endpoint | None:
    values = reader.read("SERVERS", None, lambda v: v is None or isinstance(v, dict), "a dict, or None")
    if values is None:
        return None
    inner = Reader(f"{reader.where}['SERVERS']", values, reader.problems)
    built = build(UNKNOWN, inner, proxies, roots)
    for name in declared:
        if name == UNKNOWN or str(name).startswith(PREFIX):
            text = f"declares {name!r}, a name that is for registered servers"
            hint = f"Choose a name that is not {UNKNOWN!r} and does not begin with {PREFIX!r}."
            reader.wrong("ENDPOINTS", text, hint, ProblemKind.CONTRADICTION)
    for key, is_wrong, hint in (
        ("messages", built.messages is not Messages.MCP, "Registered servers speak MCP; remove it."),
        ("forward_authorization", built.forward_authorization, "They authenticate nobody; remove it."),
        ("profile", built.profile is Profile.LOCAL, "Programs for a team need 'token' or 'partner'."),
    ):
        if is_wrong:
            text = f"cannot be {values[key]!r} for registered servers"
            inner.wrong(key, text, hint, ProblemKind.CONTRADICTION)
    return built
