"""Which requests a registered server's process is asked, and what of them it gets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from mcp.types import (
    CallToolRequestParams,
    CompleteRequestParams,
    GetPromptRequestParams,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    RequestParams,
    ServerCapabilities,
    SetLevelRequestParams,
)


class Forwarded(NamedTuple):
    """A request: the model of its params, the members that are passed on, the capability that it needs."""

    params: type[RequestParams]
    members: tuple[str, ...]
    capability: str


FORWARDED: Final = {
    "tools/list": Forwarded(PaginatedRequestParams, ("cursor",), "tools"),
    "tools/call": Forwarded(CallToolRequestParams, ("name", "arguments"), "tools"),
    "resources/list": Forwarded(PaginatedRequestParams, ("cursor",), "resources"),
    "resources/templates/list": Forwarded(PaginatedRequestParams, ("cursor",), "resources"),
    "resources/read": Forwarded(ReadResourceRequestParams, ("uri",), "resources"),
    "prompts/list": Forwarded(PaginatedRequestParams, ("cursor",), "prompts"),
    "prompts/get": Forwarded(GetPromptRequestParams, ("name", "arguments"), "prompts"),
    "completion/complete": Forwarded(CompleteRequestParams, ("ref", "argument", "context"), "completions"),
    "logging/setLevel": Forwarded(SetLevelRequestParams, ("level",), "logging"),
}
"""By method. What else a caller sends, of the transport or of itself, does not reach a process."""


def members(method: str, params: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what of a request's params its process gets."""
    given = params or {}
    return {name: given[name] for name in FORWARDED[method].members if given.get(name) is not None}


def offered(capabilities: ServerCapabilities, *, is_shared: bool) -> ServerCapabilities:
    """Return what of a process's capabilities its callers can use.

    What a shared process logs may be about anybody's call, so nobody is offered to hear it.
    """
    return ServerCapabilities(
        tools=capabilities.tools,
        resources=capabilities.resources,
        prompts=capabilities.prompts,
        completions=capabilities.completions,
        logging=None if is_shared else capabilities.logging,
    )
