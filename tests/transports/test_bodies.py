"""Bodies: whole however they arrive, bounded before they are held, none where they mean nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from tests.rows.exchanges import bearer, get, post
from tests.rows.outcomes import REFUSED
from tests.rows.world import SERVER
from tests.transports.doors import DOORS, Door, scope_of, site
from tests.transports.site import probe

pytestmark = pytest.mark.django_db

by_mount = pytest.mark.parametrize("mount", ["guard", "view", "async", "include"])


class Client:
    """A client that sends its body in parts and notes what it gets; ``took`` counts the parts taken."""

    def __init__(self, *parts: bytes, goes_away: bool = False) -> None:
        self.took = 0
        self.sent: list[Any] = []
        self._parts = [*parts]
        self._goes_away = goes_away

    async def receive(self) -> Any:
        if self._parts:
            self.took += 1
            part = self._parts.pop(0)
            is_last = not self._parts and not self._goes_away
            return {"type": "http.request", "body": part, "more_body": not is_last}
        if self._goes_away:
            return {"type": "http.disconnect"}
        return await asyncio.Event().wait()

    async def send(self, event: Any) -> None:
        self.sent.append(event)

    def talk(self, mount: str, endpoint: str) -> int | None:
        """Send the body without saying its length; return the status of the answer, None for none."""
        scope = scope_of(post(bearer(SERVER)), f"/{mount}/{endpoint}/mcp")
        scope["headers"] = [one for one in scope["headers"] if one[0] != b"content-length"]
        async_to_sync(site(behind_front_door=True))(scope, self.receive, self.send)
        return self.sent[0]["status"] if self.sent else None


CALL = post(bearer(SERVER)).body
ASGI_DOORS = [door for door in DOORS if "WSGI" not in door.name]


@by_mount
def test_a_body_in_parts_is_one_body(mount: str, noted: Any):
    client = Client(CALL[:10], b"", CALL[10:20], CALL[20:])

    assert client.talk(mount, "partner") == 200
    assert [run.body for run in probe.RUNS] == [CALL]


@by_mount
def test_a_body_without_an_end_is_refused_at_its_limit(mount: str, noted: Any):
    client = Client(*[b" " * 256] * 1000)

    assert client.talk(mount, "partner-small") == 413
    assert client.took == 5
    assert noted() == ["body_too_large"]
    assert probe.RUNS == []


@by_mount
def test_a_client_that_goes_away_runs_nothing(mount: str, noted: Any):
    client = Client(CALL[:10], goes_away=True)

    assert client.talk(mount, "partner") is None
    assert probe.RUNS == []


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("door", ASGI_DOORS, ids=lambda door: door.name)
def test_a_body_that_no_head_announced_goes_nowhere(door: Door, method: str, noted: Any):
    """HTTP/2 needs no length, so only its parts tell of it."""
    request = get(bearer(SERVER), method=method, body=CALL)

    door.play(request, door.path("partner", request))

    assert [run.body for run in probe.RUNS if run.body] == []


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_a_refusal_of_a_body_says_what_a_refusal_of_a_head_does(door: Door, noted: Any):
    request = post(bearer(SERVER), body=b"x" * 1025)

    answered = door.play(request, door.path("partner-small", request))

    assert (answered.status, answered.relevant) == (413, REFUSED)
