"""``audit``: what happened, as it was recorded."""

from __future__ import annotations

from mcp_guard.management.cli import chain, ship, trail
from mcp_guard.management.cli.arguments import SubParsers, declare_noun


def declare(nouns: SubParsers) -> None:
    """Add the noun and its verbs."""
    verbs = declare_noun(nouns, "audit", "what happened, as it was recorded")
    for module in (trail, chain, ship):
        module.declare(verbs)
