"""A local server: its settings, and its application as ``tests.transports.site.local_asgi`` loads it."""

from __future__ import annotations

import os

from tests.settings import *  # noqa: F403 (everything else is the same)

ROOT_URLCONF = "tests.urls"
MCP_GUARD = {
    "ENDPOINTS": {"local": {"profile": "local"}},
    "NONCE_FILE": os.environ.get("NONCE_FILE", "/nonexistent/nonce"),
}
