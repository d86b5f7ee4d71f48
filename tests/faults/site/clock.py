"""A machine whose clock is wrong, as far as Python tells the time of day."""

from __future__ import annotations

import time
from datetime import timedelta

from django.utils import timezone


def shift(seconds: float) -> None:
    """Make this process tell a time of day that is so many seconds ahead; the monotonic clock stays."""
    if not seconds:
        return
    right_time, right_now = time.time, timezone.now
    time.time = lambda: right_time() + seconds
    timezone.now = lambda: right_now() + timedelta(seconds=seconds)
