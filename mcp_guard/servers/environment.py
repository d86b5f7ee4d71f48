"""Resolve the environment of a registered server, just before it starts; no value stays anywhere else."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from typing import Final

from mcp_guard.policy.registration import is_within
from mcp_guard.sandbox.command import CommandRefusedError

MOST_BYTES: Final = 65_536
"""How long a value may be; what the kernel takes of all of them together is more."""


def values(references: Iterable[str], writable: Iterable[str] = ()) -> dict[str, str]:
    """Return the values of ``NAME=env:VARIABLE`` and ``NAME=file:/path`` by name.

    Of a file one line break at its end is left out, as editors and secret stores add one. None is read from
    below ``writable``, the paths in which servers may write: one could put a link there to any file that the
    portal may read.

    Raises:
        CommandRefusedError: naming the first that cannot be read, and why; never a value.
    """
    found: dict[str, str] = {}
    roots = tuple(writable)
    for reference in references:
        name, _, source = reference.partition("=")
        kind, _, target = source.partition(":")
        if kind not in _READERS:
            raise CommandRefusedError(f"{name}: its value is neither in a variable nor in a file")
        if kind == "file" and any(is_within(path, root) for root in roots for path in _places(target)):
            raise CommandRefusedError(f"{name}: {target} lies where a server may write")
        value = _READERS[kind](name, target)
        if "\0" in value:
            raise CommandRefusedError(f"{name}: its value has a NUL character in it")
        found[name] = value
    return found


def _places(path: str) -> tuple[str, ...]:
    """Return where a file is said to be, the place that its folder leads to, and where it really is."""
    folder, _, name = path.rpartition("/")
    return path, f"{os.path.realpath(folder or '/').rstrip('/')}/{name}", os.path.realpath(path)


def _of_variable(name: str, variable: str) -> str:
    value = os.environ.get(variable)
    if value is None:
        raise CommandRefusedError(f"{name}: the portal has no environment variable {variable}")
    return value


def _of_file(name: str, path: str) -> str:
    try:
        text = _read(path).decode()
    except OSError as error:
        raise CommandRefusedError(f"{name}: {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CommandRefusedError(f"{name}: {path} is not UTF-8") from None
    except _NotASecret as error:
        raise CommandRefusedError(f"{name}: {path} {error}") from None
    return text.removesuffix("\n").removesuffix("\r")


class _NotASecret(Exception):
    """A file that no value is read from."""


def _read(path: str) -> bytes:
    """Return what a file holds that nobody but its owner writes; a pipe in its place makes nobody wait."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _NotASecret("is not a file")
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise _NotASecret("can be written by others than its owner")
        if status.st_size > MOST_BYTES:
            raise _NotASecret(f"is longer than {MOST_BYTES} bytes")
        return os.read(descriptor, MOST_BYTES)
    finally:
        os.close(descriptor)


_READERS: Final = {"env": _of_variable, "file": _of_file}
