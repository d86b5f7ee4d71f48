"""The handshakes and messages of the table at every WebSocket door."""

from __future__ import annotations

from typing import Any

import pytest

from tests import table
from tests.rows.row import Row
from tests.transports.sockets import SOCKET_DOORS, SocketDoor, check, play

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("topic", sorted({name.partition(" | ")[0] for name in table.SOCKETS}))
@pytest.mark.parametrize("door", SOCKET_DOORS, ids=lambda door: door.name)
def test_sockets_have_the_outcome_of_their_rows(door: SocketDoor, topic: str, noted: Any):
    rows = [(name, row) for name, row in table.SOCKETS.items() if name.startswith(f"{topic} | ")]

    def play_row(row: Row) -> None:
        check(row, door, play(door, row), noted())

    assert noted.wrong(rows, play_row) == {}
    assert rows
