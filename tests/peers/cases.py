"""All cases by peer, and the rows that they are in our table."""

from __future__ import annotations

from typing import Final, NamedTuple

from tests.peers import channels_origin, cors_headers, starlette_cors
from tests.peers.case import Case, Peer
from tests.rows.row import Row


class Cases(NamedTuple):
    """A peer, the cases of its tests, and its tests that ask nothing of an exchange."""

    peer: Peer
    cases: list[Case]
    others: dict[str, str]


CORS_HEADERS: Final = Cases(cors_headers.PEER, cors_headers.CASES, cors_headers.OTHERS)
STARLETTE: Final = Cases(starlette_cors.PEER, starlette_cors.CASES, starlette_cors.OTHERS)
CHANNELS: Final = Cases(channels_origin.PEER, channels_origin.CASES, channels_origin.OTHERS)

PEERS: Final = (CORS_HEADERS, STARLETTE, CHANNELS)

ROWS: Final[list[Row]] = [case.row(of.peer) for of in PEERS for case in of.cases]
