"""Failed authentications at every door: past the bound a 401 is a 429, and a good credential is let in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import override_settings

from tests.rows.configurations import MCP_GUARD
from tests.rows.exchanges import bearer, call, handshake, origin, post
from tests.rows.world import ANY, EXPIRED, PLAIN, REVOKED, SERVER
from tests.transports.doors import DOORS, Door
from tests.transports.site import probe
from tests.transports.sockets import SOCKET_DOORS, SocketDoor, converse

pytestmark = pytest.mark.django_db

OF_ADDRESS = {"FAILURES_PER_ADDRESS": 4, "FAILURES_PER_TOKEN": 2}
by_door = pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)


@pytest.fixture(autouse=True)
def bounded(site: None) -> Iterator[None]:
    with override_settings(MCP_GUARD={**MCP_GUARD, **OF_ADDRESS}):
        yield


def ask(door: Door, *headers: Any, peer: str = "203.0.113.9") -> Any:
    request = post(*headers, peer=peer)
    return door.play(request, door.path("partner", request))


@by_door
def test_a_token_that_goes_on_failing_is_told_to_wait_wherever_it_comes_from(door: Door, noted: Any):
    answers = [ask(door, bearer(REVOKED), peer=f"198.51.100.{number}") for number in range(4)]

    assert [answer.status for answer in answers] == [401, 401, 429, 429]
    assert answers[-1].relevant == {"vary": "Origin", "cache-control": "no-store", "retry-after": "30"}
    assert json.loads(answers[-1].body)["error"]["message"] == "Too many requests"
    assert noted() == ["failures_too_many"] * 2 + ["token_revoked"] * 2
    assert ask(door, bearer(REVOKED), peer="198.51.100.9").status == 429
    assert probe.RUNS == []


@by_door
def test_an_address_that_goes_on_failing_locks_nobody_out(door: Door, noted: Any):
    texts = [f"mcpg_wrong{number}" for number in range(6)]

    assert [ask(door, bearer(text)).status for text in texts] == [401] * 4 + [429] * 2
    assert ask(door, bearer(EXPIRED), peer="203.0.113.10").status == 401
    assert ask(door, bearer(SERVER)).status == 200
    assert len(probe.RUNS) == 1
    assert ask(door, bearer(texts[0])).status == 429


@by_door
def test_who_presents_nothing_has_not_failed(door: Door, noted: Any):
    assert {ask(door).status for _ in range(9)} == {401}
    assert ask(door, bearer(EXPIRED)).status == 401


@by_door
def test_a_listed_page_may_read_when_to_come_again(door: Door, noted: Any):
    answers = [ask(door, bearer(EXPIRED), origin(PLAIN)) for _ in range(3)]

    assert answers[-1].status == 429
    assert answers[-1].relevant["access-control-allow-origin"] == PLAIN.url
    assert "Retry-After" in answers[-1].relevant["access-control-expose-headers"]


@pytest.mark.parametrize("door", SOCKET_DOORS, ids=lambda door: door.name)
def test_messages_and_handshakes_count_too(door: SocketDoor, noted: Any):
    def codes(exchange: Any) -> list[int]:
        path = f"/{door.mount}/partner/mcp"
        return async_converse(door, exchange, path).close_codes

    waiting = handshake(origin(PLAIN), messages=(call(token=REVOKED),))
    assert [codes(waiting) for _ in range(3)] == [[4401], [4401], [4429]]
    greeting = handshake(origin(PLAIN), bearer(REVOKED))
    assert codes(greeting) == [4429]
    assert codes(handshake(origin(PLAIN), bearer(ANY), messages=(call(),))) == []


def async_converse(door: SocketDoor, exchange: Any, path: str) -> Any:
    return async_to_sync(converse)(door.application, exchange, path)
