"""The demo site's settings with the suite's server and two endpoints for it."""

from project.settings import *  # noqa: F403 (all of them)

ROOT_URLCONF = "tests.conformance.site.urls"

MCP_GUARD = {"ENDPOINTS": {"mounted": {"profile": "partner"}, "viewed": {"profile": "token"}}}
