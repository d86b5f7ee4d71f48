"""Settings of the site; a proxy on this machine is trusted, at 127.0.0.1 and no other loopback address."""

from __future__ import annotations

import json
import os
from pathlib import Path

from project.environment import database

SECRET_KEY = "tests only"
ALLOWED_HOSTS = ["api.example.com"]
ROOT_URLCONF = "tests.deployment.site.urls"

INSTALLED_APPS = [
    "mcp_guard",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
]
MIDDLEWARE = [
    "mcp_guard.http.middleware.GuardMiddleware",
    "django.middleware.common.CommonMiddleware",
]

DATABASES = {"default": database(os.environ.get("DATABASE_URL", ""), Path())}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024  # as large a body as an endpoint takes

MCP_GUARD = {
    "ENDPOINTS": {"notes": {"profile": "partner", "require_tls": True}},
    "TRUSTED_PROXIES": ["127.0.0.1/32"],
    **json.loads(os.environ.get("SITE_MCP_GUARD", "{}")),
}

if os.environ.get("REDIS_URL"):
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {"hosts": [os.environ["REDIS_URL"]], "prefix": os.environ["SITE_RECORD"]},
        }
    }
