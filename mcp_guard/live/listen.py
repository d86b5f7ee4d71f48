"""Hear of changes at once: PostgreSQL's NOTIFY and the channel layer tell the holder to look.

Both are accelerators. A push that is lost, late or forged costs nothing but the time until the next look
at the revision: the message carries no policy, it only says that there is something to see.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import threading
from collections.abc import Callable
from typing import Any, Final

from channels.layers import get_channel_layer
from django.db import connections, router

from mcp_guard.conf import config
from mcp_guard.live.connection import OwnConnections
from mcp_guard.models import Revision

log = logging.getLogger("mcp_guard.live")

CHANNEL: Final = "mcp_guard_policy"
"""Name of the NOTIFY channel and of the channel layer's group."""

RETRY_SECONDS: Final = 5.0
"""How long to wait before a listener that failed tries again."""

SEND_SECONDS: Final = 2.0
"""How long a push may take; what takes longer is given up, as the poll tells it anyway."""

REJOIN_SECONDS: Final = 3600.0
"""How often a listener joins the group anew; layers forget members after a day."""

Heard = Callable[[str], None]
Listener = Callable[[threading.Event], None]


class Listeners:
    """The listening threads of one process; ``heard`` is called with ``notify`` or ``channel layer``."""

    def __init__(self, heard: Heard) -> None:
        self._heard = heard
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._receiving: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None

    def start(self) -> None:
        """Start what this project has, once: nothing on SQLite without a shared channel layer."""
        if self._threads:
            return
        self._stop = threading.Event()
        targets: list[Listener] = []
        if connections[router.db_for_write(Revision)].vendor == "postgresql":
            targets.append(self._listen_to_database)
        if has_shared_layer():
            targets.append(self._listen_to_layer)
        for target in targets:
            thread = threading.Thread(
                target=self._keep, args=(target, self._stop), name="mcp_guard listen", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End the threads; one that hangs in a dead connection is left behind, being a daemon."""
        self._stop.set()
        if self._receiving is not None:
            loop, task = self._receiving
            with contextlib.suppress(RuntimeError):  # it has ended already
                loop.call_soon_threadsafe(task.cancel)
        self._threads = []

    def _keep(self, target: Listener, stop: threading.Event) -> None:
        """Run a listener for as long as the process lives, whatever happens to its connection."""
        while not stop.is_set():
            try:
                target(stop)
            except Exception as error:  # noqa: BLE001 (a listener that fails costs the poll interval)
                log.info("listening for changes failed: %s", type(error).__name__)
            stop.wait(RETRY_SECONDS)

    def _listen_to_database(self, stop: threading.Event) -> None:
        OwnConnections().take()
        connection = connections[router.db_for_write(Revision)]
        with connection.temporary_connection() as cursor:
            raw: Any = connection.connection
            cursor.execute(f"LISTEN {CHANNEL}")
            self._heard("notify")  # of what was said while nobody listened
            while not stop.is_set():
                for _ in raw.notifies(timeout=1.0, stop_after=1):
                    self._heard("notify")

    def _listen_to_layer(self, stop: threading.Event) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._receive(stop))

    async def _receive(self, stop: threading.Event) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 (a coroutine runs in a task)
        self._receiving = asyncio.get_running_loop(), task
        layer: Any = get_channel_layer()
        channel = await layer.new_channel()
        while not stop.is_set():
            await layer.group_add(CHANNEL, channel)  # again and again: membership expires
            self._heard("channel layer")  # of what was said while nobody listened
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REJOIN_SECONDS):
                    while True:
                        await layer.receive(channel)
                        self._heard("channel layer")


def has_shared_layer() -> bool:
    """Return whether there is a channel layer that reaches other processes."""
    layer = get_channel_layer()
    return layer is not None and type(layer).__name__ != "InMemoryChannelLayer"


def notify(alias: str) -> None:
    """Tell the listeners on PostgreSQL when the running transaction commits; elsewhere do nothing.

    The setting that it leaves in the transaction says that the revision is raised already, so that the
    triggers which catch writes made by hand do not raise it again.
    """
    connection = connections[alias]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('mcp_guard.writing', 'on', true)")
            if config().push:
                cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])


def noted(alias: str) -> None:
    """Let what the same transaction still writes by hand raise the revision again."""
    connection = connections[alias]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('mcp_guard.writing', 'off', true)")


class Push:
    """Sends pushes over the channel layer from a thread of its own, so that no writer waits for it.

    Pushes say nothing but that there is something to see, hence any number of them is one.
    """

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._wanted = threading.Event()
        self._done = threading.Event()
        self._done.set()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def finish(self) -> None:
        """Wait for a push that is under way: a command ends sooner than its push is sent."""
        self._done.wait(SEND_SECONDS)

    def __call__(self) -> None:
        """Ask for a push; without a shared channel layer there is nobody to push to."""
        if not has_shared_layer():
            return
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="mcp_guard push", daemon=True)
                self._thread.start()
            self._done.clear()
            self._wanted.set()

    def _run(self) -> None:
        while self._wanted.wait():
            self._wanted.clear()
            try:
                asyncio.run(self._send())
            except Exception as error:  # noqa: BLE001 (the poll tells what a lost push would have told)
                log.info("a push over the channel layer failed: %s", type(error).__name__)
            with self._lock:
                if not self._wanted.is_set():
                    self._done.set()

    async def _send(self) -> None:
        layer: Any = get_channel_layer()
        async with asyncio.timeout(SEND_SECONDS):
            await layer.group_send(CHANNEL, {"type": "policy.changed"})


push: Final = Push()
"""The pushes of this process."""

atexit.register(push.finish)

os.register_at_fork(after_in_child=push._reset)  # noqa: SLF001 (a thread does not survive a fork)
