"""Checks of how credentials are carried: nonces, subprotocols, and servers of one machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 (Django's names)

from mcp_guard import conf
from mcp_guard.policy.endpoint import Carrier, Endpoint, Profile
from mcp_guard.server_process import beyond_loopback


def check_binding(**_: Any) -> list[CheckMessage]:
    """Return whether the server is told to listen beyond this machine, with an endpoint for it alone."""
    address = beyond_loopback(sys.argv)
    local = [one.name for one in conf.parse().described if one.profile is Profile.LOCAL]
    if address is None or not local:
        return []
    return [
        Error(
            f"Endpoint {local[0]!r} has the profile 'local', but the server is to listen on {address}.",
            hint="Let it listen on 127.0.0.1.",
            id="mcp_guard.E030",
        )
    ]


def check_carriers(**_: Any) -> list[CheckMessage]:
    """Return which endpoints put a credential where others may keep it."""
    return [found for endpoint in conf.parse().described for found in _of_endpoint(endpoint)]


def check_local(**_: Any) -> list[CheckMessage]:
    """Return which endpoints are for one machine, on a site that goes into production."""
    return [
        Warning(
            f"Endpoint {endpoint.name!r} has the profile 'local'.",
            hint="It is for an MCP server on its user's own machine; a site for others has another profile.",
            id="mcp_guard.W030",
        )
        for endpoint in conf.parse().described
        if endpoint.profile is Profile.LOCAL
    ]


def _of_endpoint(endpoint: Endpoint) -> Iterator[CheckMessage]:
    if endpoint.nonce_query:
        yield Warning(
            f"Endpoint {endpoint.name!r} has nonce_query: the nonce stands in URLs, which servers log.",
            hint="A page can fetch a ticket with the header X-MCP-Nonce instead.",
            id="mcp_guard.W031",
        )
    if Carrier.SUBPROTOCOL in endpoint.ws_credentials:
        yield Warning(
            f"Endpoint {endpoint.name!r} takes tokens among the subprotocols, which some proxies log.",
            hint="A page can fetch a ticket instead; then leave 'subprotocol' out of ws_credentials.",
            id="mcp_guard.W032",
        )
