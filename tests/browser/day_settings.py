"""The demo site's settings with the strictest Content-Security-Policy on the pages of its admin."""

from project.settings import *  # noqa: F403 (all of them are the site's)
from project.settings import MIDDLEWARE

_guard, *_others = MIDDLEWARE
MIDDLEWARE = [_guard, "tests.browser.strict_csp.StrictContentSecurityPolicy", *_others]
