"""For the tests of projects that use the guard: policy without a thread, tokens and headers to present.

Under pytest-django, load the fixtures with ``pytest_plugins = ["mcp_guard.testing"]``; everybody else uses
``policy_of_this_connection()`` as a context manager.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from mcp_guard import changes
from mcp_guard.live.holder import holder
from mcp_guard.models import AllowedOrigin, Client, Scope

ACTOR = changes.Actor("tests")
"""Who changes policy in tests."""


@contextmanager
def policy_of_this_connection() -> Iterator[None]:
    """Read policy on the calling thread and connection, where the rows of an open transaction are seen."""
    holder.forget()
    holder.inline = True
    try:
        yield
    finally:
        holder.inline = False
        holder.forget()


def grant_scope(name: str, *grants: str) -> Scope:
    """Return a new scope with these grants."""
    return changes.add_scope(ACTOR, name=name, grants=list(grants))


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
