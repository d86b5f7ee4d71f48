"""What somebody who owns the database may do to the audit trail, one function for each kind.

Each takes a connection and returns the numbers at one of which it has to be found.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

from psycopg import Connection, sql

TABLE: Final = sql.Identifier("mcp_guard_auditevent")
PLACE: Final = 500
ASIDE: Final = 1_000_000


def alter(connection: Connection, last: int) -> Sequence[int]:
    """Alter one event."""
    _run(connection, "UPDATE {} SET details = '{{}}' WHERE seq = {}", PLACE)
    return [PLACE]


def remove(connection: Connection, last: int) -> Sequence[int]:
    """Remove one event."""
    _run(connection, "DELETE FROM {} WHERE seq = {}", PLACE)
    return [PLACE]


def insert(connection: Connection, last: int) -> Sequence[int]:
    """Move all that follows up by one, and put a copy of another event in the gap."""
    _run(connection, "UPDATE {} SET seq = seq + 1000001 WHERE seq >= {}", PLACE)
    _run(connection, "UPDATE {} SET seq = seq - 1000000 WHERE seq > {}", ASIDE)
    columns = _columns(connection)
    statement = sql.SQL("INSERT INTO {} (seq, {}) SELECT {}, {} FROM {} WHERE seq = 7")
    connection.execute(statement.format(TABLE, columns, sql.Literal(PLACE), columns, TABLE))
    connection.execute("UPDATE mcp_guard_auditseal SET seq = seq + 1")
    return [PLACE]


def reorder(connection: Connection, last: int) -> Sequence[int]:
    """Have two events change their numbers."""
    for old, new in ((PLACE, ASIDE), (PLACE + 40, PLACE), (ASIDE, PLACE + 40)):
        connection.execute(
            sql.SQL("UPDATE {} SET seq = {} WHERE seq = {}").format(TABLE, sql.Literal(new), sql.Literal(old))
        )
    return [PLACE]


def cut(connection: Connection, last: int) -> Sequence[int]:
    """Cut off the tail."""
    _run(connection, "DELETE FROM {} WHERE seq > {}", PLACE)
    return [PLACE + 1]


def roll_back(connection: Connection, last: int) -> Sequence[int]:
    """Cut off the tail, and have the chain end where it ends then."""
    cut(connection, last)
    connection.execute(
        sql.SQL("UPDATE mcp_guard_auditseal SET seq = {0}, digest = (SELECT digest FROM {1} WHERE seq = {0})")
        .format(sql.Literal(PLACE), TABLE)
    )  # fmt: skip
    return [PLACE]


def rewrite(connection: Connection, last: int) -> Sequence[int]:
    """Give every event from a place on a digest that fits what is there, as far as one knows how."""
    _run(connection, "UPDATE {} SET actor_label = 'eve' WHERE seq = {}", PLACE)
    invented = hashlib.sha256(b"eve").hexdigest()
    connection.execute(
        sql.SQL("UPDATE {} SET digest = {} WHERE seq >= {}").format(
            TABLE, sql.Literal(invented), sql.Literal(PLACE)
        )
    )
    connection.execute(sql.SQL("UPDATE mcp_guard_auditseal SET digest = {}").format(sql.Literal(invented)))
    return [PLACE, last]


KINDS: Final[dict[str, Callable[[Connection, int], Sequence[int]]]] = {
    "altered": alter,
    "removed": remove,
    "inserted": insert,
    "reordered": reorder,
    "cut off at the end": cut,
    "rolled back": roll_back,
    "rewritten": rewrite,
}


def _run(connection: Connection, statement: str, place: int) -> None:
    connection.execute(sql.SQL(statement).format(TABLE, sql.Literal(place)))


def _columns(connection: Connection) -> sql.Composed:
    found = connection.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'mcp_guard_auditevent'"
    )
    return sql.SQL(", ").join(sql.Identifier(name) for (name,) in found if name not in ("id", "seq"))
