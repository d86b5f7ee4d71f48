"""Settings of one stack. Database connections are kept, as everybody who measures would have them."""

from __future__ import annotations

from typing import Any

from benchmarks import stacks
from benchmarks.credentials import HOST, origin
from benchmarks.databases import settings_of

STACK = stacks.of_process()

SECRET_KEY = "benchmarks only"
DEBUG = False
USE_TZ = True
ALLOWED_HOSTS = [HOST]
ROOT_URLCONF = "benchmarks.site.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "channels",
    "corsheaders",
    "rest_framework",
    "rest_framework.authtoken",
    "knox",
    "rest_framework_api_key",
    "mcp_guard",
]
REST_FRAMEWORK = {"DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"]}
DATABASES: dict[str, Any] = {"default": settings_of(STACK.size)}
MIDDLEWARE: list[str] = []
if STACK.cors:
    MIDDLEWARE = ["corsheaders.middleware.CorsMiddleware"]
if STACK.cors == "static":
    CORS_ALLOWED_ORIGINS = [origin(number) for number in range(STACK.origins)]
if STACK.guard in {"middleware", "front door"}:
    MIDDLEWARE = ["mcp_guard.http.middleware.GuardMiddleware"]
MCP_GUARD = {
    "ENDPOINTS": {
        "benchmarks": {
            "profile": "partner",
            "messages": STACK.messages,
            # One machine sends what thousands of clients would; what is counted is counted all the same.
            "limits": {
                "messages_per_second": 1_000_000,
                "sockets_per_principal": 1_000_000,
                "calls_per_principal": 1_000_000,
            },
        }
    },
    "SOCKETS_PER_ADDRESS": 1_000_000,
    "FAILURES_PER_ADDRESS": 1_000_000,
    "FAILURES_PER_TOKEN": 1_000_000,
}
