"""A recorder, a sealer and a chain that know nothing of other tests."""

from __future__ import annotations

import pytest

from mcp_guard.audit.events import recorder
from mcp_guard.audit.seal import sealer
from mcp_guard.audit.sums import sums


@pytest.fixture(autouse=True)
def afresh():
    """Start and end with nothing in memory."""
    for each in (recorder, sums, sealer):
        each.forget()
    yield
    for each in (recorder, sums, sealer):
        each.forget()
