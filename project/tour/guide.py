"""Take the tour: one stop after the other, each in bounded time, one line for each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from project.tour.site import Site
from project.tour.stops import TOUR, Stop
from project.tour.visit import Visit, log_in

STOP_SECONDS: Final = 30.0
"""How long one stop may take."""


async def take_tour(port: int, site: Site, say: Callable[[str], None]) -> int:
    """Take the tour, say one line for each stop, and return how many of them did not hold."""
    visit = Visit(port, site, await log_in(port, site))
    failed = 0
    for stop in TOUR:
        started = time.perf_counter()
        held, seen = await _walk(stop, visit)
        milliseconds = (time.perf_counter() - started) * 1000
        say(f"{'held' if held else 'FAILED':6} {milliseconds:6.0f} ms  {stop.title}: {seen}")
        failed += not held
    return failed


async def _walk(stop: Stop, visit: Visit) -> tuple[bool, str]:
    """Return whether a stop held, and what was seen; whatever goes wrong means that it did not."""
    try:
        async with asyncio.timeout(STOP_SECONDS):
            return True, await stop.walk(visit)
    except Exception as error:  # noqa: BLE001 (the tour goes on and reports it)
        return False, "; ".join(_texts(error))


def _texts(error: BaseException) -> list[str]:
    if isinstance(error, BaseExceptionGroup):
        return [text for inner in error.exceptions for text in _texts(inner)]
    return [f"{type(error).__name__}: {error}"]
