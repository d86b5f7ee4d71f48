"""Ask an SDK server object, in this process, for all that it has: what an operator may want to grant."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, Protocol

from mcp import Client
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp.types import ListPromptsResult, ListResourcesResult, ListResourceTemplatesResult, ListToolsResult

from mcp_guard import mounts
from mcp_guard.mcp.server import registers
from mcp_guard.mounts import Offered
from mcp_guard.policy.scopes import GrantError, Operation, canonical

PAGES: Final = 20
"""How many pages of one list are asked for."""

_METHODS: Final = ("completion/complete", "logging/setLevel", "subscriptions/listen")

Listed = list[tuple[Operation, str]]


class Lists(Protocol):
    """Who can be asked for the pages of the lists of a server: the SDK's client, for one."""

    async def list_tools(self, *, cursor: str | None) -> ListToolsResult:
        """Return a page of tools."""
        ...

    async def list_resources(self, *, cursor: str | None) -> ListResourcesResult:
        """Return a page of resources."""
        ...

    async def list_resource_templates(self, *, cursor: str | None) -> ListResourceTemplatesResult:
        """Return a page of templates."""
        ...

    async def list_prompts(self, *, cursor: str | None) -> ListPromptsResult:
        """Return a page of prompts."""
        ...


def serve(endpoint: str, server: Server[Any]) -> None:
    """Let operators see what a server has that is mounted at an endpoint."""
    mounts.serve(endpoint, server, partial(catalogue, server))


async def catalogue(server: Server[Any]) -> list[Offered]:
    """Return all that the server lists to a client of its own process; a list that it has not got is empty.

    It enters the server's lifespan, as every connection does.
    """
    async with Client(server) as client:
        offered = await lists_of(client)
    registered = registers(server)
    methods = [method for method in _METHODS if registered(method, "")]
    return offered + [Offered("methods", method, "") for method in methods]


async def lists_of(client: Lists) -> list[Offered]:
    """Return all that a server lists; a list that it has not got is empty."""
    offered: list[Offered] = []
    for kind, page in (
        ("tools", partial(_tools, client)),
        ("resources", partial(_resources, client)),
        ("templates", partial(_templates, client)),
        ("prompts", partial(_prompts, client)),
    ):
        offered += [Offered(kind, *item) for item in await _all(page)]
    return offered


async def _all(page: Callable[[str | None], Awaitable[tuple[Listed, str | None]]]) -> list[tuple[str, str]]:
    """Return the grants of a whole list and what each is for."""
    found: list[tuple[str, str]] = []
    cursor: str | None = None
    for _ in range(PAGES):
        try:
            listed, cursor = await page(cursor)
        except MCPError:
            break
        found += [
            (grant, title) for operation, title in listed for grant in operation.grants if _is_grant(grant)
        ]
        if cursor is None:
            break
    return list(dict(found).items())


async def _tools(client: Lists, cursor: str | None) -> tuple[Listed, str | None]:
    page = await client.list_tools(cursor=cursor)
    return [(Operation("tools/call", one.name), _title(one)) for one in page.tools], page.next_cursor


async def _resources(client: Lists, cursor: str | None) -> tuple[Listed, str | None]:
    page = await client.list_resources(cursor=cursor)
    return [
        (Operation("resources/read", str(one.uri)), _title(one)) for one in page.resources
    ], page.next_cursor


async def _templates(client: Lists, cursor: str | None) -> tuple[Listed, str | None]:
    page = await client.list_resource_templates(cursor=cursor)
    listed = [
        (Operation("resources/read", one.uri_template, is_template=True), _title(one))
        for one in page.resource_templates
    ]
    return listed, page.next_cursor


async def _prompts(client: Lists, cursor: str | None) -> tuple[Listed, str | None]:
    page = await client.list_prompts(cursor=cursor)
    return [(Operation("prompts/get", one.name), _title(one)) for one in page.prompts], page.next_cursor


def _title(item: Any) -> str:
    """Return the first line of what an item says of itself."""
    return str(item.title or item.description or "").strip().partition("\n")[0]


def _is_grant(text: str) -> bool:
    try:
        return canonical(text) == text
    except GrantError:
        return False
