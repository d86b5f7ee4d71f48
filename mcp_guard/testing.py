"""For the tests of projects that use the guard: policy without a thread, tokens and headers to present.

Under pytest-django, load the fixtures with ``pytest_plugins = ["mcp_guard.testing"]``; everybody else uses
``policy_of_this_connection()`` as a context manager.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from mcp_guard import changes
from mcp_guard.audit.events import recorder
from mcp_guard.audit.inbox import inbox
from mcp_guard.audit.seal import sealer
from mcp_guard.audit.sums import sums
from mcp_guard.audit.uses import uses
from mcp_guard.conf import config
from mcp_guard.known_answers import known_refusals
from mcp_guard.live.failures import failures
from mcp_guard.live.holder import holder
from mcp_guard.models import AllowedOrigin, Client, RegisteredServer, Scope
from mcp_guard.recall import recall
from mcp_guard.server_state import ServerState, digest_of, server_state

ACTOR = changes.Actor("tests")
"""Who changes policy in tests."""

APPROVER = changes.Actor.of_command("tests", "approver")
"""Who approves in tests what the other one registered."""


@contextmanager
def policy_of_this_connection() -> Iterator[None]:
    """Read policy on the calling thread and connection, where the rows of an open transaction are seen."""
    holder.forget()
    recorder.forget()
    inbox.forget()
    sums.forget()
    sealer.forget()
    uses.forget()
    failures.forget()
    recall.forget()
    known_refusals.forget()
    holder.inline = True
    try:
        yield
    finally:
        holder.inline = False
        holder.forget()


def grant_scope(name: str, *grants: str, endpoints: Sequence[str] = ()) -> Scope:
    """Return a new scope with these grants; without endpoints it counts at every one."""
    return changes.add_scope(ACTOR, name=name, grants=list(grants), endpoints=endpoints)


def add_client(name: str = "partner", **values: Any) -> Client:
    """Return a new client."""
    return changes.add_client(ACTOR, name=name, **values)


def list_origin(origin: str, client: Client, *endpoints: str, **values: Any) -> AllowedOrigin:
    """Return a newly listed origin."""
    return changes.list_origin(ACTOR, origin=origin, client=client, endpoints=endpoints, **values)


def issue_token(
    client: Client, *endpoints: str, scopes: Sequence[Scope] = (), **values: Any
) -> changes.IssuedSecret:
    """Return a new token of a client together with its text."""
    values.setdefault("name", "test")
    return changes.issue_token(ACTOR, client=client, endpoints=list(endpoints), scopes=scopes, **values)


def register_server(name: str, executable: str, **values: Any) -> RegisteredServer:
    """Return a new server, registered by one and approved by another; the settings need ``SERVERS``."""
    row = changes.add_server(ACTOR, name=name, executable=executable, **values)
    if server_state(row, config().servers) is ServerState.NOT_APPROVED:
        row = changes.approve_server(APPROVER, row, digest=digest_of(row))
    return row


def bearer(issued: changes.IssuedSecret) -> dict[str, str]:
    """Return the header that presents a token."""
    return {"Authorization": f"Bearer {issued.text}"}


try:
    import pytest
except ImportError:
    pass
else:

    @pytest.fixture
    def mcp_guard_policy(db: None) -> Iterator[None]:  # noqa: ARG001 (the rows are in its transaction)
        """Judge by the rows of the test's own transaction."""
        with policy_of_this_connection():
            yield
