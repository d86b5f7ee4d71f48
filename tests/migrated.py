"""Migrate the databases of sites: ``python -m tests.migrated``, or ``migrate`` where Django is set up.

Migrating takes longer than most sites are used for, so within one run of the tests the first process that
migrates an SQLite file with some settings leaves a copy for the others.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import django
from django.core.management import call_command

FOLDER: Final = "MCP_GUARD_TESTS_MIGRATED"
"""The environment variable that names the folder of the copies; without it everybody migrates."""


@contextmanager
def shared() -> Iterator[None]:
    """Let the processes that are started in the block share what they migrate."""
    if FOLDER in os.environ:  # this one is started in such a block itself
        yield
        return
    with tempfile.TemporaryDirectory(prefix="mcp_guard-migrated-") as folder:
        os.environ[FOLDER] = folder
        yield
        del os.environ[FOLDER]


def migrate() -> None:
    """Migrate the database of this process, or copy one that was migrated before."""
    from django.db import connection

    folder = os.environ.get(FOLDER)
    file = Path(connection.settings_dict["NAME"])
    if folder is None or connection.vendor != "sqlite" or file.exists():
        call_command("migrate", verbosity=0)
        return
    copy = Path(folder, os.environ["DJANGO_SETTINGS_MODULE"])
    with Path(folder, "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not copy.exists():
            call_command("migrate", verbosity=0)
            with connection.cursor() as cursor:
                cursor.execute("VACUUM INTO %s", [str(copy)])
    if not file.exists():
        shutil.copyfile(copy, file)


if __name__ == "__main__":
    django.setup()
    migrate()
