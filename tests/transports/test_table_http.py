"""The requests and preflights of the table at every HTTP door that can express them."""

from __future__ import annotations

from typing import Any

import pytest

from tests import table
from tests.rows.row import Row
from tests.transports.answer import check
from tests.transports.doors import DOORS, Door

pytestmark = pytest.mark.django_db

CASES = [
    pytest.param(door, row, id=f"{door.name} | {name}")
    for door in DOORS
    for name, row in table.REQUESTS.items()
    if door.expresses(row.exchange)
]


@pytest.mark.parametrize(("door", "row"), CASES)
def test_a_request_has_the_outcome_of_its_row(door: Door, row: Row, noted: Any):
    answered = door.play(row.exchange, door.path(row.endpoint, row.exchange))

    check(row, answered, noted())
