"""The demo site's settings with the probe's routes."""

from project.settings import *  # noqa: F403 (all of them)

ROOT_URLCONF = "tests.mcp.probe.urls"

MCP_GUARD = {**MCP_GUARD, "FAILURES_PER_ADDRESS": 100_000, "FAILURES_PER_TOKEN": 4}  # noqa: F405
"""All clients have one address; a token that has failed a few times is told to wait for a while."""
