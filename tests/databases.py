"""Databases that live as long as they are needed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
from psycopg import sql


@contextmanager
def sqlite_database() -> Iterator[str]:
    """Yield the URL of an SQLite file that is not there yet; it is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="mcp_guard-") as folder:
        yield f"sqlite:///{Path(folder) / 'db.sqlite3'}"


@contextmanager
def postgres_database(server: str) -> Iterator[str]:
    """Create an empty database on a PostgreSQL server and yield its URL; it is dropped afterwards."""
    name = f"mcp_guard_test_{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield urlsplit(server)._replace(path=f"/{name}").geturl()
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
