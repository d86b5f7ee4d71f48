"""Settings of the site; what differs from run to run comes from the environment."""

from __future__ import annotations

import json
import os
from pathlib import Path

from project.environment import database
from tests.faults.site import clock

clock.shift(float(os.environ.get("FAULTS_CLOCK", "0")))

SECRET_KEY = "tests only"
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = [
    "daphne",
    "mcp_guard",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
]
MIDDLEWARE = ["mcp_guard.http.middleware.GuardMiddleware"]
ROOT_URLCONF = "tests.faults.site.urls"
DATABASES = {"default": database(os.environ["DATABASE_URL"], Path())}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
USE_TZ = True

if os.environ.get("REDIS_URL"):
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {"hosts": [os.environ["REDIS_URL"]]},
        }
    }

if os.environ.get("FAULTS_SESSIONS_IN_REDIS"):
    SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": os.environ["FAULTS_SESSIONS_IN_REDIS"],
        }
    }

LIMITS = dict.fromkeys(["sockets_per_principal", "calls_per_principal", "streams_per_principal"], 10_000)

MCP_GUARD = {
    "ENDPOINTS": {
        "tools": {"profile": "token", "missing_origin": {"ws": "bearer"}, "limits": LIMITS},
        "pages": {"profile": "partner", "missing_origin": {"ws": "bearer"}, "limits": LIMITS},
    },
    "SOCKETS_PER_ADDRESS": 10_000,  # there is one address
    "FAILURES_PER_ADDRESS": 1_000_000,
    "FAILURES_PER_TOKEN": 1_000_000,
    **json.loads(os.environ.get("FAULTS_GUARD", "{}")),
}
