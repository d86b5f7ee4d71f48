"""Settings of the site: a session cookie that goes along from foreign pages, as partners' pages need it."""

from __future__ import annotations

from tests.settings import *  # noqa: F403 (everything else is the same)

ALLOWED_HOSTS = ["portal.localhost"]
ROOT_URLCONF = "tests.victim.site.urls"
SESSION_COOKIE_SAMESITE = "None"
SESSION_COOKIE_SECURE = True

MCP_GUARD = {
    "ENDPOINTS": {
        "partner": {"profile": "partner"},
        "public": {"profile": "public", "public_scopes": ["reading"]},
    }
}
