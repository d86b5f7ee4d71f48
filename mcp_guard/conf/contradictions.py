"""What an endpoint's settings say that cannot hold together."""

from __future__ import annotations

import re

from mcp_guard.policy.endpoint import METHODS, Carrier, Endpoint, Messages, MissingOrigin, Profile
from mcp_guard.policy.local import is_loopback


def contradictions(endpoint: Endpoint) -> list[tuple[str, str]]:
    """Return what an endpoint says that cannot hold together, each with what to do about it."""
    profile, found = endpoint.profile, []
    if endpoint.any_origin and profile is not Profile.TOKEN:
        found.append((
            f"has any_origin with the profile {profile.value!r}",
            "any_origin is for the profile 'token', which never reads cookies.",
        ))  # fmt: skip
    if endpoint.public_scopes and profile is Profile.BACKEND:
        found.append((
            f"has public_scopes with the profile {profile.value!r}",
            "Requests without a credential are never let in there; remove public_scopes.",
        ))  # fmt: skip
    if endpoint.forward_authorization and profile in (Profile.SAME_ORIGIN, Profile.PUBLIC):
        found.append((
            f"has forward_authorization with the profile {profile.value!r}",
            "The inner application sees no Authorization there; use 'token', 'partner' or 'backend'.",
        ))  # fmt: skip
    if endpoint.forward_authorization and endpoint.token_every_message:
        found.append((
            "has forward_authorization together with token_every_message",
            "The gate does not read tokens there; remove one of the two.",
        ))  # fmt: skip
    if endpoint.token_every_message and Carrier.MESSAGE not in endpoint.ws_credentials:
        found.append((
            "has token_every_message, but ws_credentials leaves out 'message'",
            "Add 'message' to ws_credentials.",
        ))  # fmt: skip
    if profile is Profile.PUBLIC and (endpoint.token_header or endpoint.token_every_message):
        found.append((
            "has a token setting with the profile 'public'",
            "Credentials are never read there; remove token_header and token_every_message.",
        ))  # fmt: skip
    if profile is Profile.BACKEND and endpoint.missing_origin_http is MissingOrigin.REFUSE:
        found.append((
            "has missing_origin 'refuse' for http with the profile 'backend'",
            "That profile refuses a present Origin, so nobody would be let in; remove it.",
        ))  # fmt: skip
    return found + _about_messages(endpoint) + _about_this_machine(endpoint)


def _about_this_machine(endpoint: Endpoint) -> list[tuple[str, str]]:
    found = []
    if endpoint.profile is not Profile.LOCAL:
        said = [name for name in ("local_scopes", "nonce_query", "require_nonce") if getattr(endpoint, name)]
        if said:
            found.append((
                f"has {' and '.join(said)} with the profile {endpoint.profile.value!r}",
                "The nonce is for the profile 'local'; remove what is about it.",
            ))  # fmt: skip
        return found
    if endpoint.public_scopes or endpoint.forward_authorization:
        found.append((
            "lets somebody in without a token or the nonce, with the profile 'local'",
            "All programs of the machine reach it; remove public_scopes and forward_authorization.",
        ))  # fmt: skip
    if endpoint.require_nonce and endpoint.local_scopes:
        found.append((
            "has local_scopes together with require_nonce",
            "The nonce lets nobody in by itself there; remove one of the two.",
        ))  # fmt: skip
    hosts = [host.decode() for host in {*endpoint.hosts.exact, *endpoint.hosts.names} if not _is_local(host)]
    hosts += [host.decode() for host in endpoint.hosts.suffixes]
    if hosts:
        found.append((
            f"has hosts that are not this machine's own: {', '.join(sorted(hosts))}",
            "The profile 'local' is for localhost, 127.0.0.1 and [::1]: a name can be made to lead here.",
        ))  # fmt: skip
    return found


def _is_local(host: bytes) -> bool:
    name = re.sub(r":[0-9]+$", "", host.decode()) if host[-1:] != b"]" else host.decode()
    return name == "localhost" or is_loopback(name.strip("[]"))


def _about_messages(endpoint: Endpoint) -> list[tuple[str, str]]:
    found = []
    others = [method for method in endpoint.methods if method not in (*METHODS[Messages.MCP], "HEAD")]
    if endpoint.messages is Messages.MCP and others:
        found.append((
            f"has methods that MCP does not use: {', '.join(others)}",
            "Only a POST is read as a message; 'messages': 'http' is for applications without MCP.",
        ))  # fmt: skip
    if endpoint.messages is Messages.HTTP and endpoint.token_every_message:
        found.append((
            "has token_every_message with messages 'http'",
            "WebSockets are refused there; remove token_every_message.",
        ))  # fmt: skip
    return found
