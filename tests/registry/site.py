"""Settings of another process over the same database, which serves registered servers too."""

from __future__ import annotations

from tests.settings import *  # noqa: F403
from tests.settings import MCP_GUARD as OF_TESTS

MCP_GUARD = {**OF_TESTS, "SERVERS": {"profile": "token"}, "SERVERS_NEED_APPROVAL": True}
