"""The system calls that change files, and where each of them names what it changes.

In kill mode the kernel asks a watcher before each of them (``inside.watch``): it cannot tell paths itself.
"""

from __future__ import annotations

from typing import Final

FOLDER_AND_PATH: Final = ((0, 1),)
PATH: Final = ((None, 0),)

WRITES: Final[dict[str, tuple[tuple[int | None, int], ...]]] = {
    "open": PATH, "creat": PATH, "truncate": PATH, "openat": FOLDER_AND_PATH, "openat2": FOLDER_AND_PATH,
    "mkdir": PATH, "mkdirat": FOLDER_AND_PATH, "mknod": PATH, "mknodat": FOLDER_AND_PATH,
    "rmdir": PATH, "unlink": PATH, "unlinkat": FOLDER_AND_PATH,
    "rename": ((None, 0), (None, 1)), "renameat": ((0, 1), (2, 3)), "renameat2": ((0, 1), (2, 3)),
    "link": ((None, 1),), "linkat": ((2, 3),), "symlink": ((None, 1),), "symlinkat": ((1, 2),),
    "chmod": PATH, "fchmodat": FOLDER_AND_PATH, "chown": PATH, "lchown": PATH, "fchownat": FOLDER_AND_PATH,
}  # fmt: skip
"""Calls with the arguments that hold the descriptor of a folder, None for the current one, and a path."""

FLAGS: Final = {"open": 1, "openat": 2}
"""Calls of which only some write: the argument that says so."""

WRITING: Final = ((0o3, 0o1), (0o3, 0o2), (0o100, 0o100), (0o1000, 0o1000))
"""Bits of those flags, and their values that write: O_WRONLY, O_RDWR, O_CREAT, O_TRUNC (open(2))."""

FLAGS_IN_MEMORY: Final = "openat2"
"""A call whose flags are where its third argument points to."""
