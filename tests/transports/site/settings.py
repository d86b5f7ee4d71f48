"""Settings of the tests with the endpoints of the table; the database is named by the environment."""

from __future__ import annotations

from tests.rows.configurations import MCP_GUARD as MCP_GUARD
from tests.settings import *  # noqa: F403 (everything else is the same)

ROOT_URLCONF = "tests.transports.site.urls"
