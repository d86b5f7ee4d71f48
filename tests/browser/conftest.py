"""The day of an administrator, begun once for each test that wants it."""

from __future__ import annotations

import pytest

from tests.browser.day import begin_day


@pytest.fixture
def day(chromium, postgres_url, tmp_path):
    """Yield the running site with its pages and a browser."""
    with begin_day(chromium, postgres_url, tmp_path) as found:
        yield found
