"""Settings of the tests: one endpoint for each profile, SQLite in a file unless DATABASE_URL is set."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from project.environment import database

SECRET_KEY = "tests only"
ALLOWED_HOSTS = ["testserver", "api.example.com", "127.0.0.1", "localhost"]
ROOT_URLCONF = "tests.urls"

INSTALLED_APPS = [
    "mcp_guard",
    "project.notes",
    "corsheaders",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "mcp_guard.http.middleware.GuardMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# A file and not memory: threads share it as they share any database, with its locks and not with a cache's
_FILE = Path(tempfile.gettempdir()) / f"mcp_guard-tests-{os.getpid()}.sqlite3"
DATABASES = {"default": database(os.environ.get("DATABASE_URL", ""), _FILE)}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["TEST"] = {"NAME": str(_FILE)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # a slow one would only cost time

MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}  # as of Django 6.1
SILENCED_SYSTEM_CHECKS = ["mail.E001"]  # no mail leaves the tests

CORS_ALLOWED_ORIGINS: list[str] = []
CORS_URLS_REGEX = r"^/api/.*$"

STATIC_URL = "static/"
TIME_ZONE = "UTC"
USE_TZ = True

MCP_GUARD = {
    "ENDPOINTS": {
        "notes": {"profile": "partner"},
        "tools": {"profile": "token"},
        "public": {"profile": "public", "public_scopes": ["notes-read"]},
        "portal": {"profile": "same-origin"},
        "hooks": {"profile": "backend"},
        "desk": {"profile": "token", "hosts": ["127.0.0.1:8765", "localhost:8765"]},
    },
}
