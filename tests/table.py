"""The decision table: what becomes of each exchange on each endpoint configuration. It is the specification.

Its rows stand in ``tests/rows`` by topic. ``tests/policy`` plays them against the pure rules, and
``tests/transports`` against every door: views under WSGI and ASGI, includes, guarded applications,
WebSockets, and real servers. A door leaves out a row only where its transport cannot express the exchange,
by the predicates below.
"""

from __future__ import annotations

from typing import Final

from tests.peers import cases as peers
from tests.rows import (
    agreement,
    contents,
    credentials,
    handshakes,
    heads,
    local_endpoints,
    messages,
    origins,
    other_messages,
    preflights,
    profiles,
    sessions,
    subprotocols,
    tickets,
)
from tests.rows.exchanges import Request, Socket
from tests.rows.row import Row

TABLE: Final[dict[str, list[Row]]] = {
    "head": heads.ROWS,
    "origin": origins.ROWS,
    "preflight": preflights.ROWS,
    "credential": credentials.ROWS,
    "session": sessions.ROWS,
    "profile": profiles.ROWS,
    "content": contents.ROWS,
    "agreement": agreement.ROWS,
    "handshake": handshakes.ROWS,
    "ticket": tickets.ROWS,
    "subprotocol": subprotocols.ROWS,
    "local": local_endpoints.ROWS,
    "message": messages.ROWS,
    "other messages": other_messages.ROWS,
    "peer": peers.ROWS,
}
"""The rows by topic."""


def _named(table: dict[str, list[Row]]) -> dict[str, Row]:
    named: dict[str, Row] = {}
    for topic, rows in table.items():
        for row in rows:
            name = f"{topic} | {row.endpoint} | {row.rule}"
            if name in named:
                raise ValueError(f"two rows are called {name}")
            named[name] = row
    return named


ROWS: Final = _named(TABLE)
"""The rows by what names them."""

REQUESTS: Final = {name: row for name, row in ROWS.items() if isinstance(row.exchange, Request)}
SOCKETS: Final = {name: row for name, row in ROWS.items() if isinstance(row.exchange, Socket)}
