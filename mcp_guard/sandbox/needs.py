"""What a machine lacks for a level of confinement, and what to install or set."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

from mcp_guard.sandbox import bubblewrap
from mcp_guard.sandbox.confinement import Confinement, ConfinementUnavailableError, Level
from mcp_guard.sandbox.inside import landlock
from mcp_guard.sandbox.interpreter import Interpreter, interpreter
from mcp_guard.sandbox.seccomp import (
    INTERNET_SOCKETS,
    LOCAL_SOCKETS,
    NO_SOCKETS,
    FilterUnavailableError,
    program,
)

LANDLOCK: Final = 3
"""The first version that stops files from being truncated (Linux 6.2)."""

LANDLOCK_WITH_SIGNALS: Final = 6
"""The first version that stops signals to processes outside (Linux 6.12)."""

OF_THE_WATCHER: Final = ("pidfd_getfd",)
"""What the watcher of kill mode takes the descriptor with that it is asked through."""

ROOT: Final = "the portal runs as root: name a user for its servers (run_as), which is not the portal's own"


def user_of(confinement: Confinement) -> tuple[int, int]:
    """Return the user and the group that a box runs as.

    Raises:
        ConfinementUnavailableError: as root without a user to run as, or as somebody else with one.
    """
    own = os.geteuid(), os.getegid()
    if own[0] == 0 and confinement.run_as is None:
        raise ConfinementUnavailableError(ROOT)
    if own[0] != 0 and confinement.run_as not in (None, own):
        raise ConfinementUnavailableError(
            "run_as: only a portal that runs as root can start servers as another user"
        )
    return confinement.run_as or own


def python_for(confinement: Confinement) -> Interpreter | None:
    """Return the Python that runs the launcher in the box; None where it is not started inside of one.

    Raises:
        ConfinementUnavailableError: when the user of the box can reach none.
    """
    if confinement.level is not Level.REQUIRED:
        return None
    user, group = user_of(confinement)
    found = interpreter(user, group)
    if found is None:
        raise ConfinementUnavailableError(
            f"user {user} can run no Python: install python3 in /usr, "
            f"or let others enter the folders of {sys.executable}"
        )
    return found


def filter_for(confinement: Confinement) -> bytes:
    """Return the filter of system calls; empty for a process that is not confined.

    Raises:
        ConfinementUnavailableError: when it cannot be made.
    """
    match confinement.level:
        case Level.REQUIRED:
            sockets = INTERNET_SOCKETS if confinement.hosts else LOCAL_SOCKETS
        case Level.LANDLOCK:
            sockets = NO_SOCKETS
        case Level.UNCONFINED:
            return b""
    try:
        return program(sockets, shared=confinement.level is Level.LANDLOCK, kill=confinement.kill)
    except FilterUnavailableError as error:
        raise ConfinementUnavailableError(f"system calls cannot be filtered: {error}") from None


def filter_around(confinement: Confinement) -> bytes:
    """Return the filter of our own processes in a box; empty where Landlock keeps the program from them.

    Without Landlock a program could write into the memory of bubblewrap, the forwarder or the watcher, and
    make through them the calls that its own filter forbids. The watcher needs one of those.

    Raises:
        ConfinementUnavailableError: when it cannot be made.
    """
    if landlock.version():
        return b""
    sockets = INTERNET_SOCKETS if confinement.hosts else LOCAL_SOCKETS
    try:
        return program(sockets, shared=False, kill=False, spared=OF_THE_WATCHER)
    except FilterUnavailableError as error:
        raise ConfinementUnavailableError(f"system calls cannot be filtered: {error}") from None


def check(confinement: Confinement) -> None:
    """Check what can be known without a start.

    Raises:
        ConfinementUnavailableError: with the first thing that is missing.
    """
    user_of(confinement)
    if confinement.level is Level.UNCONFINED:
        return
    if sys.platform != "linux":
        raise ConfinementUnavailableError(f"processes can be confined on Linux, not on {sys.platform}")
    filter_for(confinement)
    python_for(confinement)
    if confinement.level is Level.REQUIRED and not Path(bubblewrap.PROGRAM).exists():
        raise ConfinementUnavailableError(
            f"{bubblewrap.PROGRAM} is missing: install bubblewrap (Debian: apt install bubblewrap)"
        )
    if confinement.level is Level.LANDLOCK:
        _check_landlock(confinement)


def _check_landlock(confinement: Confinement) -> None:
    if confinement.hosts:
        raise ConfinementUnavailableError(
            "hosts: at this level a process has no network at all; "
            "the level 'required' has a way out to named hosts"
        )
    version = landlock.version()
    if version < LANDLOCK:
        raise ConfinementUnavailableError(
            f"Landlock has version {version} here, and 3 (Linux 6.2) is needed; "
            "it may have to be listed in lsm= at boot"
        )
    if version < LANDLOCK_WITH_SIGNALS and confinement.run_as is None:
        raise ConfinementUnavailableError(
            f"Landlock has version {version} here, which stops no signals: "
            "name another user for servers (run_as)"
        )
