"""What an endpoint's settings say that cannot hold together."""

from __future__ import annotations

from mcp_guard.policy.endpoint import METHODS, Carrier, Endpoint, Messages, MissingOrigin, Profile


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
    return found + _about_messages(endpoint)


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
