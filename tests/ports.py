"""Ports for servers of the tests."""

from __future__ import annotations

import itertools
import os
import random
import socket
from typing import Final

_WORKER: Final = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_WORKERS: Final = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))

PORTS: Final = range(20_000 + _WORKER, 32_000, _WORKERS)
"""Those of this worker, so that no other takes one before its server does.

They lie below the range from which the system takes the ports of clients, which could do the same.
"""

_shuffled: Final = itertools.cycle(random.sample(PORTS, len(PORTS)))


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on, and that was not returned lately."""
    while True:
        port = next(_shuffled)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
