"""The handshakes and messages of the table at every WebSocket door."""

from __future__ import annotations

from typing import Any

import pytest

from tests import table
from tests.rows.row import Row
from tests.transports.sockets import SOCKET_DOORS, SocketDoor, check, play

pytestmark = pytest.mark.django_db

CASES = [
    pytest.param(door, row, id=f"{door.name} | {name}")
    for door in SOCKET_DOORS
    for name, row in table.SOCKETS.items()
]


@pytest.mark.parametrize(("door", "row"), CASES)
def test_a_socket_has_the_outcome_of_its_row(door: SocketDoor, row: Row, noted: Any):
    seen = play(door, row)

    check(row, door, seen, noted())
