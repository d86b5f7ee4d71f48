"""What the processes of a site wrote to their standard error, as its database has it."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from tests.servers.served import Served


def tails(site: Served) -> list[str]:
    """Return the last lines of every process."""
    return [row[0] for row in rows(site, "tail")]


def rows(site: Served, *columns: str, table: str = "serverrun") -> list[tuple]:
    """Return columns of what is recorded of the processes, or of another table."""
    path = site.environment["DATABASE_URL"].removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, timeout=10)) as database:
        return database.execute(f"SELECT {', '.join(columns)} FROM mcp_guard_{table}").fetchall()
