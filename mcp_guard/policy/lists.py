"""Lists: what of a server's tools, resources, templates and prompts a principal is shown.

That is what it may use, judged by the grants that using it would need. A template is shown when it may make
a URI that is granted; each URI is judged again when it is asked for.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from mcp_guard.policy.scopes import Grants, Operation


class Listing(NamedTuple):
    """One kind of list: its member of a result, what names an item, and the methods that use one."""

    member: str
    named_by: str
    used_by: tuple[str, ...]


LISTS: Final = {
    "tools/list": Listing("tools", "name", ("tools/call",)),
    "prompts/list": Listing("prompts", "name", ("prompts/get",)),
    "resources/list": Listing("resources", "uri", ("resources/read", "resources/subscribe")),
    "resources/templates/list": Listing(
        "resourceTemplates", "uriTemplate", ("resources/read", "resources/subscribe")
    ),
}
"""The methods that list something (MCP schema, revisions 2024-11-05 to 2026-07-28)."""

_TEMPLATES: Final = "uriTemplate"


class UnreadableListError(ValueError):
    """Something stands where a list is expected, and nobody can tell what is in it."""


def shown(result: dict[str, Any], grants: Grants) -> dict[str, Any]:
    """Return the result of a request as a principal may see it; ``result`` itself where nothing changes.

    What it holds besides lists stays, a cursor for instance. Two principals see two lists, so a list is not
    for a cache that they share.

    Raises:
        UnreadableListError: when a list is none.
    """
    changed: dict[str, Any] = {}
    has_list = False
    for listing in LISTS.values():
        if listing.member not in result:
            continue
        has_list = True
        items = result[listing.member]
        if type(items) is not list:
            raise UnreadableListError(listing.member)
        kept = [item for item in items if may_use(item, listing, grants)]
        if len(kept) != len(items):
            changed[listing.member] = kept
    if has_list and result.get("cacheScope", "private") != "private":
        changed["cacheScope"] = "private"
    return {**result, **changed} if changed else result


def may_use(item: Any, listing: Listing, grants: Grants) -> bool:
    """Return whether a principal may use an item of a list; what has no name may not be used."""
    name = item.get(listing.named_by) if type(item) is dict else None
    if type(name) is not str:
        return False
    is_template = listing.named_by == _TEMPLATES
    return any(grants.cover(Operation(method, name, is_template=is_template)) for method in listing.used_by)
