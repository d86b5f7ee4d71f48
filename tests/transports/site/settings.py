"""Settings of the tests with the endpoints of the table; the database is named by the environment."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tests.rows import configurations
from tests.settings import *  # noqa: F403 (everything else is the same)

ALLOWED_HOSTS = ["*"]
FOLDER = Path(tempfile.gettempdir(), f"mcp-guard-tests-{os.getuid()}")
MCP_GUARD = {**configurations.MCP_GUARD, "NONCE_FILE": str(FOLDER / f"nonce-{os.getpid()}")}
ROOT_URLCONF = "tests.transports.site.urls"

if "SITE_BODY_SECONDS" in os.environ:
    limits = {"body_seconds": float(os.environ["SITE_BODY_SECONDS"])}
    MCP_GUARD["ENDPOINTS"] = {
        name: {**declared, "limits": {**declared.get("limits", {}), **limits}}
        for name, declared in configurations.MCP_GUARD["ENDPOINTS"].items()
    }
