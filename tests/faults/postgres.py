"""A PostgreSQL cluster of its own, which may be stopped, killed and restored without harm to anybody."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg

from tests.faults.process import Child
from tests.ports import free_port

START_SECONDS: Final = 40.0


class Postgres:
    """The cluster; it has no databases but those that are created in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._user = pwd.getpwnam("postgres").pw_uid if os.geteuid() == 0 else None
        if self._user is not None:
            shutil.chown(folder, self._user, self._user)
        self._run(
            "initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-sync", "-D", "data"
        )
        self.child = self._start()

    def create(self, name: str) -> str:
        """Create a database and return its URL."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, name: str, port: int | None = None) -> str:
        """Return the URL of a database, by way of another port if one is given."""
        return f"postgres://postgres@127.0.0.1:{port or self.port}/{name}"

    def restart(self) -> None:
        """Start it again after it was killed."""
        self.child = self._start()

    def back_up(self, name: str) -> None:
        """Write a backup of a database."""
        file = f"--file={name}.backup"
        self._run("pg_dump", *self._to_server, "--format=custom", file, name)

    def restore(self, name: str) -> None:
        """Put the backup in the place of what a database holds, in one transaction."""
        options = ("--clean", "--single-transaction", f"--dbname={name}")
        self._run("pg_restore", *self._to_server, *options, f"{name}.backup")

    @property
    def _to_server(self) -> tuple[str, ...]:
        return ("--host=127.0.0.1", f"--port={self.port}", "--username=postgres")

    def _start(self) -> Child:
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": str(self.folder)}
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        command = [program("postgres"), "-D", str(self.folder / "data"), "-p", str(self.port), *options]
        child = Child(command, self.folder / "postgres.log", user=self._user)
        child.wait_until(self._answers, START_SECONDS)
        return child

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, name: str, *arguments: str) -> None:
        subprocess.run(
            [program(name), *arguments],
            cwd=self.folder, user=self._user, group=self._user,
            extra_groups=None if self._user is None else [],
            stdin=subprocess.DEVNULL, capture_output=True, check=True,
        )  # fmt: skip


@contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    """Run a cluster in a folder of its own below this one."""
    place = folder / "postgres"
    place.mkdir()
    cluster = Postgres(place)
    try:
        yield cluster
    finally:
        cluster.child.stop()


def program(name: str) -> str:
    """Return the path of one of PostgreSQL's programs, the newest version's.

    Raises:
        FileNotFoundError: when PostgreSQL is not installed on this machine.
    """
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda p: float(p.parts[4]))
    found = str(versions[-1]) if versions else shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is not installed; the faults need PostgreSQL's server programs")
    return found
