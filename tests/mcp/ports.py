"""Ports for servers of the tests."""

from __future__ import annotations

import random
import socket
from typing import Final

PORTS: Final = range(28000, 32000)
"""Below those that the system gives to clients: one of them could take a port before its server does."""


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
