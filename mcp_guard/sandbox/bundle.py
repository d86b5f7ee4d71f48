"""The launcher and what it is told, handed to child processes as files that have no name."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import marshal
import os
import zipfile
from functools import lru_cache
from importlib import resources
from typing import Final

MODULES: Final = ("__init__", "forward", "landlock", "launch", "watch")
BOOT: Final = (
    "import sys; sys.path.insert(0, '/proc/self/fd/' + sys.argv[1]); "
    "from mcp_guard.sandbox.inside.launch import main; main(int(sys.argv[2]))"
)
"""What imports the launcher; run as a program, an archive would have Python import much more."""

OPTIONS: Final = ("-I", "-S", "-B")
"""Of Python: nothing of the environment, of users' folders or of installed packages; nothing written."""

UNCHECKED_HASH: Final = (1).to_bytes(4, "little")
"""Flags of a compiled module that does not ask for its source (PEP 552)."""

MFD_NOEXEC_SEAL: Final = 0x8
"""Linux 6.3; older ones do not know it."""


@lru_cache(maxsize=1)
def archive() -> bytes:
    """Return the modules of the launcher as a zip archive that Python can import from."""
    source = resources.files("mcp_guard.sandbox.inside")
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w") as made:
            for package in ("mcp_guard", "mcp_guard/sandbox"):
                _add(made, f"{package}/__init__", "")
            for name in MODULES:
                text = source.joinpath(f"{name}.py").read_text("utf-8")
                _add(made, f"mcp_guard/sandbox/inside/{name}", text)
        return file.getvalue()


def _add(archive: zipfile.ZipFile, name: str, text: str) -> None:
    """Add a module as its text, and compiled for this version of Python: another one passes over that."""
    content = text.encode()
    compiled = marshal.dumps(compile(content, f"{name}.py", "exec", dont_inherit=True))
    head = importlib.util.MAGIC_NUMBER + UNCHECKED_HASH + importlib.util.source_hash(content)
    archive.writestr(f"{name}.py", content)
    archive.writestr(f"{name}.pyc", head + compiled)


def memory_file(stack: contextlib.ExitStack, content: bytes) -> int:
    """Return a descriptor from which the content can be read; it is closed with the stack."""
    try:
        descriptor = os.memfd_create("mcp_guard", os.MFD_CLOEXEC | MFD_NOEXEC_SEAL)
    except OSError:
        descriptor = os.memfd_create("mcp_guard", os.MFD_CLOEXEC)
    stack.callback(os.close, descriptor)
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def launcher(python: str, archived: int, steps: int) -> list[str]:
    """Return the command line that takes the steps: descriptors and nothing that is secret."""
    return [python, *OPTIONS, "-c", BOOT, str(archived), str(steps)]
