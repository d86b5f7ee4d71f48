"""What a registered server has to grant, asked of a process that runs already: none is started for it."""

from __future__ import annotations

from functools import partial
from typing import Any

from mcp_guard import mounts
from mcp_guard.mcp.catalogue import lists_of
from mcp_guard.mcp.child import Child
from mcp_guard.mounts import Offered
from mcp_guard.servers import pools


def offer(endpoint: str, server: Any, name: str) -> None:
    """Let operators see what a registered server has, while a process of it runs beside them."""
    mounts.serve(endpoint, server, partial(offered, name))


async def offered(name: str) -> list[Offered]:
    """Return what a process lists; empty while none runs on this event loop."""
    for slot in pools.slots_of_running_loop():
        run = slot.run
        if slot.party.server == name and run is not None and run.is_ready:
            return await lists_of(_Asked(run.ready.result()))
    return []


class _Asked:
    """The lists of one process."""

    def __init__(self, child: Child) -> None:
        self._child = child

    async def list_tools(self, *, cursor: str | None) -> Any:
        """Return a page of tools."""
        return await self._page("tools/list", cursor)

    async def list_resources(self, *, cursor: str | None) -> Any:
        """Return a page of resources."""
        return await self._page("resources/list", cursor)

    async def list_resource_templates(self, *, cursor: str | None) -> Any:
        """Return a page of templates."""
        return await self._page("resources/templates/list", cursor)

    async def list_prompts(self, *, cursor: str | None) -> Any:
        """Return a page of prompts."""
        return await self._page("prompts/list", cursor)

    async def _page(self, method: str, cursor: str | None) -> Any:
        return await self._child.ask(method, {} if cursor is None else {"cursor": cursor})
