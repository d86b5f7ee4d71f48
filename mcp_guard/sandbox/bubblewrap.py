"""The options of bubblewrap (bwrap(1)): namespaces for everything, and a file system made for the box."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from mcp_guard.sandbox.confinement import MIB
from mcp_guard.sandbox.filesystem import PRIVATE, SETTINGS, SMALL, SYSTEM, View, linked_folders

PROGRAM: Final = "/usr/bin/bwrap"
NAMESPACES: Final = (
    "--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try",
    "--unshare-net",
    "--disable-userns", "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL",
    "--hostname", "mcp-server",
)  # fmt: skip
SMALL_BYTES: Final = MIB


def options(
    view: View, *, folder: str, tmp_bytes: int, data: Mapping[str, int], sockets: Mapping[str, str]
) -> bytes:
    """Return the options as ``--args`` reads them, each ended by NUL.

    Args:
        view: what the box sees besides the system.
        folder: where it works.
        tmp_bytes: size of its ``/tmp``.
        data: files of its own, with descriptors that their content is read from.
        sockets: folders of the machine with Unix sockets, by their path in the box.
    """
    found = [*NAMESPACES, *_system(), *_own(tmp_bytes)]
    for path in view.readable:
        found += ["--ro-bind", path, path]
    for path in view.writable:
        found += ["--bind", path, path]
    for path, descriptor in data.items():
        found += ["--perms", "0444", "--ro-bind-data", str(descriptor), path]
    for path, outside in sockets.items():
        found += ["--ro-bind", outside, path]
    found += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", folder]
    return "".join(f"{one}\0" for one in found).encode("utf-8", "surrogateescape")


def filtered(descriptor: int) -> bytes:
    """Return the option that has all processes of a box filtered, its first one too, in the same form."""
    return f"--seccomp\0{descriptor}\0".encode()


def _system() -> Iterator[str]:
    yield from ("--ro-bind", SYSTEM, SYSTEM)
    for path, target in linked_folders():
        yield from ("--symlink", target, path) if target else ("--ro-bind", path, path)
    for path in SETTINGS:
        yield from ("--ro-bind-try", path, path)


def _own(tmp_bytes: int) -> Iterator[str]:
    """Return what no other process has: processes, devices, and folders in memory of a bounded size."""
    yield from ("--proc", "/proc", "--dev", "/dev", "--size", str(tmp_bytes), "--tmpfs", PRIVATE)
    for path in SMALL:
        yield from ("--size", str(SMALL_BYTES), "--tmpfs", path)
