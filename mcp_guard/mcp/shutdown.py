"""Have Daphne wait at its shutdown for what has to end in order.

It sends no lifespan events, and does not cancel its applications while a connection idles. A server's
lifespan would not be left, and threads of sync tools would keep the process from ending. Other servers
cancel what is left, so nothing is to be done there.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any


def before_shutdown(close: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """Call ``close`` before Twisted's reactor stops, if the running loop is the reactor's.

    Returns what takes it back. ``close`` has to bound its own time.
    """
    reactor: Any = sys.modules.get("twisted.internet.reactor")
    if reactor is None or not reactor.running:
        return _nothing
    from twisted.internet.defer import Deferred  # noqa: PLC0415 (an optional server)
    from twisted.python.threadable import isInIOThread  # noqa: PLC0415

    if not isInIOThread():
        return _nothing

    fired = False

    def fire() -> Any:
        nonlocal fired
        fired = True
        return Deferred.fromFuture(asyncio.ensure_future(close()))

    def take_back() -> None:
        if not fired:
            reactor.removeSystemEventTrigger(trigger)

    trigger = reactor.addSystemEventTrigger("before", "shutdown", fire)
    return take_back


def _nothing() -> None:
    """Take nothing back."""
