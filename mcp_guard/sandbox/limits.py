"""Limits of each process (setrlimit(2)), which hold everywhere; those of a whole box are cgroups'."""

from __future__ import annotations

from typing import Final

from mcp_guard.sandbox.confinement import MIB, Confinement

GRACE_SECONDS: Final = 5
"""How long a process that ignores SIGXCPU goes on before it is killed."""

RESERVED_BYTES: Final = 1024 * MIB
"""Address space beyond the memory: runtimes such as Node reserve much that they never use."""

OWN_PROCESSES: Final = 4
"""Processes that count as the box's: two of bubblewrap, the forwarder and the watcher."""


def limits(
    confinement: Confinement, *, memory: bool, processes: bool, others: int = 0
) -> dict[str, tuple[int, int]]:
    """Return the limits by the names of Python's ``resource``, soft and hard.

    Args:
        confinement: what the box may do.
        memory: whether they have to bound memory too, because no cgroup does.
        processes: whether they have to bound processes too; a cgroup would count what it refuses.
        others: how many processes of the same user count as well.
    """
    found = {
        "RLIMIT_CORE": (0, 0),
        "RLIMIT_CPU": (confinement.cpu_seconds, confinement.cpu_seconds + GRACE_SECONDS),
        "RLIMIT_FSIZE": (confinement.file_bytes, confinement.file_bytes),
        "RLIMIT_NOFILE": (confinement.open_files, confinement.open_files),
        "RLIMIT_MEMLOCK": (0, 0),
        "RLIMIT_MSGQUEUE": (0, 0),
        "RLIMIT_RTPRIO": (0, 0),
    }
    if processes:
        most = confinement.processes + OWN_PROCESSES + others
        found["RLIMIT_NPROC"] = (most, most)
    if memory:
        space = confinement.memory_bytes + RESERVED_BYTES
        found["RLIMIT_DATA"] = (confinement.memory_bytes, confinement.memory_bytes)
        found["RLIMIT_AS"] = (space, space)
    return found
