"""Bounds of time and number of running servers, in seconds where nothing else is said."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Times:
    """Bounds of the processes of one event loop."""

    start: float = 20.0
    """How long a process may take until it speaks MCP."""

    patience: float = 2.0
    """How long a caller waits while a server that failed is left alone."""

    acquire: float = 30.0
    """How long a caller waits for a process in all."""

    ping_after: float = 30.0
    """After how long without a call a process is asked whether it is still there."""

    ping: float = 20.0
    """How long it may take to answer that."""

    silent: float = 600.0
    """How long it may say nothing at all while calls run, of which some may keep it from answering a ping."""

    grace: float = 2.0
    """How long a process may take to end by itself when its standard input is closed."""

    drain: float = 3.0
    """How long calls may go on at the end of the service."""

    at_once: int = 4
    """How many processes are started at the same time; of one server half as many."""


TIMES = Times()
"""What holds where nothing else is said."""
