"""The demo site's settings with the probe's routes."""

from project.settings import *  # noqa: F403 (all of them)

ROOT_URLCONF = "tests.mcp.probe.urls"
