"""What cannot be known lets nobody in: a policy too old, a store that does not answer, a missing guard."""

from __future__ import annotations

import time
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.handlers.wsgi import WSGIHandler

from mcp_guard.asgi import guard
from mcp_guard.live import sessions
from mcp_guard.live.holder import holder
from tests.rows.exchanges import bearer, call, cookie, handshake, origin, post, preflight
from tests.rows.outcomes import PRIVATE, UNAVAILABLE, page, page_with_cookies
from tests.rows.world import ADAS_SESSION, ANY, APP, PLAIN, SERVER
from tests.transports import doors
from tests.transports.answer import check_refusal_body
from tests.transports.doors import DOORS, Door, exchange
from tests.transports.site import applications, probe
from tests.transports.sockets import SOCKET_DOORS, SocketDoor, converse

pytestmark = pytest.mark.django_db

by_door = pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
by_socket_door = pytest.mark.parametrize("door", SOCKET_DOORS, ids=lambda door: door.name)

CALL = post(origin(PLAIN), bearer(ANY))


@pytest.fixture
def unreadable_database(noted: Any, monkeypatch: Any) -> Any:
    """Return what makes the last read that succeeded so many seconds old; no other one succeeds."""

    async def refresh_async() -> None:
        return None

    holder.refresh()
    monkeypatch.setattr(holder, "refresh", lambda: None)
    monkeypatch.setattr(holder, "arefresh", refresh_async)
    return lambda seconds: monkeypatch.setattr(holder, "_read_at", time.monotonic() - seconds)


@by_door
@pytest.mark.parametrize("request_", [CALL, preflight(PLAIN), post()], ids=["call", "preflight", "nobody"])
def test_a_policy_too_old_refuses_everybody(door: Door, request_: Any, unreadable_database: Any, noted: Any):
    unreadable_database(11)

    answered = door.play(request_, door.path("partner", request_))

    assert (answered.status, answered.relevant, noted()) == (503, UNAVAILABLE, ["policy_too_old"])
    check_refusal_body(answered.body, "policy_too_old")
    assert probe.RUNS == []


@by_door
def test_a_policy_not_yet_too_old_goes_on(door: Door, unreadable_database: Any, noted: Any):
    unreadable_database(9)

    answered = door.play(CALL, door.path("partner", CALL))

    assert (answered.status, answered.relevant) == (200, PRIVATE | page(PLAIN))


@by_socket_door
def test_a_policy_too_old_refuses_handshakes(door: SocketDoor, unreadable_database: Any, noted: Any):
    unreadable_database(11)
    socket = handshake(origin(PLAIN), bearer(ANY), messages=(call(),))

    seen = async_to_sync(converse)(door.application, socket, f"/{door.mount}/partner/mcp")

    assert (seen.accepted, seen.close_codes, noted()) == (False, [4503], ["policy_too_old"])
    assert probe.RUNS == []


@by_socket_door
def test_a_policy_grown_too_old_closes_at_the_next_message(
    door: SocketDoor, unreadable_database: Any, noted: Any
):
    socket = handshake(origin(PLAIN), bearer(ANY), messages=(call(), call()))

    async def application(scope: Any, receive: Any, send: Any) -> None:
        async def aging(event: Any) -> None:
            await send(event)
            if event["type"] == "websocket.send":
                unreadable_database(11)

        await door.application(scope, receive, aging)

    seen = async_to_sync(converse)(application, socket, f"/{door.mount}/partner/mcp")

    assert (seen.accepted, seen.close_codes, noted()) == (True, [4503], ["policy_too_old"])
    assert [run.methods for run in probe.RUNS] == [["tools/call"]]


@by_door
def test_sessions_that_cannot_be_read_let_nobody_in(door: Door, noted: Any, monkeypatch: Any):
    def load(key: str) -> None:
        raise OSError("the store is down")

    monkeypatch.setattr(sessions, "load", load)
    request = post(origin(APP), cookie(ADAS_SESSION))

    answered = door.play(request, door.path("partner", request))

    assert (answered.status, answered.relevant, noted()) == (503, UNAVAILABLE, ["store_unreadable"])
    assert probe.RUNS == []


@by_door
def test_sessions_that_cannot_be_read_do_not_matter_to_a_token(door: Door, noted: Any, monkeypatch: Any):
    monkeypatch.setattr(sessions, "load", None)
    request = post(origin(APP), bearer(ANY), cookie(ADAS_SESSION))

    answered = door.play(request, door.path("partner", request))

    assert (answered.status, answered.relevant) == (200, PRIVATE | page_with_cookies(APP))


def test_a_guarded_view_without_its_middleware_refuses(noted: Any, settings: Any, monkeypatch: Any):
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "GuardMiddleware" not in name]
    monkeypatch.setattr(doors, "_wsgi_handler", WSGIHandler)

    answered = doors.play_wsgi(CALL, "/view/partner/mcp")

    assert (answered.status, answered.relevant, noted()) == (503, UNAVAILABLE, ["guard_missing"])
    assert probe.RUNS == []


class OtherUrls:
    """A middleware behind the guard that dispatches by other routes."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        request.urlconf = "tests.transports.site.urls"
        return self.get_response(request)


def test_a_guarded_view_of_other_routes_refuses(noted: Any, settings: Any, monkeypatch: Any):
    settings.ROOT_URLCONF = "tests.urls"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.OtherUrls"]
    monkeypatch.setattr(doors, "_wsgi_handler", WSGIHandler)

    answered = doors.play_wsgi(CALL, "/view/partner/mcp")

    assert (answered.status, answered.relevant, noted()) == (503, UNAVAILABLE, ["guard_missing"])
    assert probe.RUNS == []


def test_a_passage_of_another_endpoint_opens_nothing(noted: Any):
    application = guard(guard(applications.application, "elsewhere"), "partner")

    answered = async_to_sync(exchange)(application, post(bearer(SERVER)), "/mcp")

    assert (answered.status, noted()) == (401, ["credential_missing"])
    assert probe.RUNS == []


def test_what_is_no_passage_opens_nothing(noted: Any):
    application = guard(applications.application, "partner")

    async def forged(scope: Any, receive: Any, send: Any) -> None:
        scope["mcp_guard"] = {"endpoint": "partner", "admitted": True}
        await application(scope, receive, send)

    answered = async_to_sync(exchange)(forged, post(), "/mcp")

    assert (answered.status, noted()) == (401, ["credential_missing"])
    assert probe.RUNS == []


def test_an_inner_guard_of_the_same_endpoint_judges_once(noted: Any):
    application = guard(guard(applications.application, "partner"), "partner")

    answered = async_to_sync(exchange)(application, CALL, "/mcp")

    assert (answered.status, answered.relevant) == (200, PRIVATE | page(PLAIN))
    assert len(probe.RUNS) == 1
