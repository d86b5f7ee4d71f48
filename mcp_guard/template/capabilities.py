"""What a capability of a template grants; docs/template.md has the same table.

| capability | grant |
|---|---|
| a grant, such as ``tools/call:read_note`` | itself |
| ``tool:NAME``, or ``NAME`` alone | ``tools/call:NAME`` |
| ``prompt:NAME`` | ``prompts/get:NAME`` |
| ``resource:URI`` | ``resources/read:URI`` |
| ``tools:list`` and the same of prompts and resources | none: a list shows what may be used |
"""

from __future__ import annotations

import re
from typing import Final

from mcp_guard.policy.scopes import FREE_METHODS, GrantError, canonical

_KINDS: Final = {"tool": "tools/call", "prompt": "prompts/get", "resource": "resources/read"}
_LISTS: Final = frozenset({"tools:list", "prompts:list", "resources:list"})
_TOOL = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_VAGUE: Final = frozenset(
    {
        *("admin", "all", "any", "call", "create", "delete", "execute", "full", "list", "logging", "none"),
        *("prompts", "read", "resources", "roots", "run", "sampling", "tools", "update", "use", "write"),
    }
)
"""Words that name no tool in particular; a tool that is called so is granted as ``tool:read``."""


class CapabilityError(ValueError):
    """What stands in a template cannot be mapped to a grant; the text says why and what to write."""


def grant_of(capability: str) -> str | None:
    """Return the grant that a capability means, None for one that needs no grant.

    Raises:
        CapabilityError: with a text for whoever wrote the template.
    """
    if capability in _LISTS or capability in FREE_METHODS:
        return None
    if "*" in capability and not capability.endswith("/*"):
        raise CapabilityError(
            "has a wildcard: name each tool, prompt and resource, as in tools/call:read_note"
        )
    kind, colon, name = capability.partition(":")
    if colon and kind in _KINDS:
        return _canonical(f"{_KINDS[kind]}:{name}")
    if colon or "/" in capability:
        return _canonical(capability)
    return _of_tool(capability)


def _of_tool(name: str) -> str:
    if name.lower() in _VAGUE:
        raise CapabilityError(f"names nothing in particular: name each tool; one called so is tool:{name}")
    if not _TOOL.fullmatch(name):
        raise CapabilityError("is neither a grant nor the name of a tool")
    return _canonical(f"tools/call:{name}")


def _canonical(grant: str) -> str:
    try:
        return canonical(grant)
    except GrantError as error:
        raise CapabilityError(f"cannot be mapped to a grant: {error}") from None
