"""Settings of the tests with the endpoints of the table; the database is named by the environment."""

from __future__ import annotations

from tests.rows import configurations
from tests.settings import *  # noqa: F403 (everything else is the same)

ALLOWED_HOSTS = ["*"]
MCP_GUARD = configurations.MCP_GUARD
ROOT_URLCONF = "tests.transports.site.urls"
