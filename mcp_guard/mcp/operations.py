"""What a message asks for, where its method names something: a tool, a prompt, a resource, or a use of one.

Sources: the MCP schema, revisions 2024-11-05 to 2026-07-28. Two methods speak of what other methods use, and
need the grants of those too: completing the arguments of a prompt tells what it takes, and listening to a
resource tells when it changes.
"""

from __future__ import annotations

import re
from typing import Any, Final

from mcp_guard.policy.scopes import NAMED_BY, Operation

COMPLETE: Final = "completion/complete"
LISTEN: Final = "subscriptions/listen"
NAMING: Final = frozenset({*NAMED_BY, COMPLETE, LISTEN})
"""Methods whose params name something."""

MAX_URIS: Final = 1000
"""How many resources one message may ask to listen to; more is malformed."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def naming_operation(method: str, params: dict[str, Any]) -> Operation | None:
    """Return what a call of one of the ``NAMING`` methods asks for, None when it does not say that."""
    match method:
        case "completion/complete":
            reference = _reference(params.get("ref"))
            return None if reference is None else Operation(method, also=(reference,))
        case "subscriptions/listen":
            uris = _uris(params.get("notifications"))
            if uris is None:
                return None
            return Operation(method, also=tuple(Operation("resources/subscribe", uri) for uri in uris))
        case _:
            name = params.get(NAMED_BY[method])
            return Operation(method, name) if _is_name(name) else None


def _reference(ref: Any) -> Operation | None:
    """Return the use of what a reference names: a prompt, or a resource by its URI or template."""
    if type(ref) is not dict:
        return None
    match ref.get("type"):
        case "ref/prompt" if _is_name(ref.get("name")):
            return Operation("prompts/get", ref["name"])
        case "ref/resource" if _is_name(ref.get("uri")):
            return Operation("resources/read", ref["uri"], is_template="{" in ref["uri"])
    return None


def _uris(notifications: Any) -> list[str] | None:
    """Return the URIs that are to be listened to; the rest of what can be asked for names nothing."""
    if type(notifications) is not dict:
        return None
    uris = notifications.get("resourceSubscriptions")
    if uris is None:
        return []
    if type(uris) is not list or len(uris) > MAX_URIS or not all(map(_is_name, uris)):
        return None
    return list(dict.fromkeys(uris))


def _is_name(value: Any) -> bool:
    """Return whether a value names something; control characters are in no name, and in no grant."""
    if type(value) is not str or value == "":
        return False
    return value.isprintable() or not _CONTROL.search(value)
