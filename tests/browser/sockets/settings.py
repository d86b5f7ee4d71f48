"""Settings of the site; the database is named by the environment."""

from __future__ import annotations

from tests.settings import *  # noqa: F403 (everything else is the same)

ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "tests.browser.sockets.urls"
MCP_GUARD = {
    "ENDPOINTS": {
        "notes": {"profile": "partner", "ws_credentials": ["ticket", "subprotocol"]},
    }
}
