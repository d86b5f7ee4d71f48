"""Settings of the corpus site; the policy and the database file come from the environment."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from project.environment import database
from tests.corpus.site.policies import django_hosts, guard_settings, policy

POLICY = policy(os.environ["CORPUS_POLICY"])

SECRET_KEY = os.environ.setdefault("CORPUS_SECRET_KEY", secrets.token_urlsafe(50))
ALLOWED_HOSTS = django_hosts(POLICY)
ROOT_URLCONF = "tests.corpus.site.urls"

INSTALLED_APPS = [
    "mcp_guard",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
]

MIDDLEWARE = [
    "mcp_guard.http.middleware.GuardMiddleware",
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

DATABASES = {"default": database(os.environ["CORPUS_DATABASE"], Path())}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # nobody logs in with a password
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"redact": {"()": "mcp_guard.audit.redact.RedactTokens"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "filters": ["redact"]}},
    "root": {"handlers": ["console"], "level": "INFO"},
}

MCP_GUARD = guard_settings(POLICY, os.environ["CORPUS_NONCE_FILE"])
