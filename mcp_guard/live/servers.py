"""Which registered servers may run in this process, as the policy that it holds has them."""

from __future__ import annotations

from mcp_guard.conf.servers import PREFIX, UNKNOWN
from mcp_guard.live.holder import holder
from mcp_guard.policy.registration import Registration


def registered(name: str) -> Registration | None:
    """Return what may run under a name; None for a server that is unknown, disabled or not approved."""
    return holder.snapshot.servers.get(name)


def all_registered() -> dict[str, Registration]:
    """Return every server that may run, by name."""
    return dict(holder.snapshot.servers)


async def endpoint_of(name: str) -> str:
    """Return the name of the endpoint that judges a request for a server, whose name the client chose.

    That of a server that is not registered is one and the same, so that nobody can make up endpoints, and
    tells a stranger nothing else than that of a registered one.
    """
    if holder.is_behind:
        await holder.arefresh()
    own = f"{PREFIX}{name}"
    return own if own in holder.snapshot.endpoints else UNKNOWN
