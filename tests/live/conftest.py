"""Policy of a test's own transaction, and policy that the refreshing thread reads as in production."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mcp_guard import testing
from mcp_guard.live.holder import holder


@pytest.fixture
def policy(db: None) -> Iterator[None]:
    """Judge by the rows of the test's own transaction, read on the thread that asks."""
    with testing.policy_of_this_connection():
        yield


@pytest.fixture
def live_policy(transactional_db: None) -> Iterator[None]:
    """Judge by committed rows, read by the refreshing thread over a connection of its own."""
    holder.forget()
    yield
    holder.forget()
