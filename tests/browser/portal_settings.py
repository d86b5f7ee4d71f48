"""The demo site under the strictest Content-Security-Policy."""

from __future__ import annotations

from project.settings import *  # noqa: F403 (a site of its own is not what is looked at here)
from project.settings import MIDDLEWARE as _MIDDLEWARE

MIDDLEWARE = [
    *_MIDDLEWARE[:1],
    "tests.browser.strict_csp.StrictContentSecurityPolicy",
    *_MIDDLEWARE[1:],
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
