"""A project that serves registered servers, and the two people it takes to register one."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest

from mcp_guard import testing
from mcp_guard.live.holder import holder
from tests.registry.registering import people


@pytest.fixture
def served(settings) -> None:
    """Let the project serve registered servers, each approved by a second person."""
    settings.MCP_GUARD = {
        **copy.deepcopy(settings.MCP_GUARD),
        "SERVERS": {"profile": "token"},
        "SERVERS_NEED_APPROVAL": True,
    }


@pytest.fixture
def policy(db: None, served: None) -> Iterator[None]:
    """Judge by the rows of the test's own transaction, in which the people have accounts."""
    people()
    with testing.policy_of_this_connection():
        yield


@pytest.fixture
def live_policy(transactional_db: None, served: None) -> Iterator[None]:
    """Judge by committed rows, read by the refreshing thread over a connection of its own."""
    people()
    holder.forget()
    yield
    holder.forget()
