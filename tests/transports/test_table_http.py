"""The requests and preflights of the table at every HTTP door that can express them."""

from __future__ import annotations

from typing import Any

import pytest

from tests import table
from tests.rows.exchanges import Request
from tests.rows.row import Row
from tests.transports.answer import check
from tests.transports.doors import DOORS, Door

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("topic", sorted({name.partition(" | ")[0] for name in table.REQUESTS}))
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_requests_have_the_outcome_of_their_rows(door: Door, topic: str, noted: Any):
    rows = [
        (name, row)
        for name, row in table.REQUESTS.items()
        if name.startswith(f"{topic} | ") and door.expresses(row.exchange)
    ]

    def play(row: Row) -> None:
        assert isinstance(row.exchange, Request)
        answered = door.play(row.exchange, door.path(row.endpoint, row.exchange))
        check(row, answered, noted())

    assert noted.wrong(rows, play) == {}
    assert rows


def test_every_request_is_played_at_some_door_of_each_kind():
    for mounts in (("view", "async"), ("include",), ("guard",)):
        doors = [door for door in DOORS if door.mount in mounts]
        left_out = {
            name
            for name, row in table.REQUESTS.items()
            if not any(door.expresses(row.exchange) for door in doors)
        }
        assert all("| the path " in name for name in left_out)
