"""What the front door hands inwards: what it judged, for the view it judged it for, and no credential."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.utils.decorators import sync_only_middleware

from mcp_guard.asgi import front_door, guard
from mcp_guard.audit import calls as audited_calls
from mcp_guard.audit.counts import ADMITTED, decisions
from mcp_guard.audit.events import recorder
from mcp_guard.http import middleware
from mcp_guard.live.calls import CALL_KEY
from mcp_guard.live.slots import calls
from tests.rows.exchanges import bearer, call, cookie, get, post, request
from tests.rows.world import ADAS_SESSION, SERVER
from tests.transports.doors import play_asgi
from tests.transports.site import probe

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("site")]

CALL = post(bearer(SERVER), cookie(ADAS_SESSION))
PATH = "/async/partner/mcp"
ADMISSION = ("partner", "request", ADMITTED)


@pytest.fixture(autouse=True)
def runs() -> list[probe.Seen]:
    probe.RUNS.clear()
    return probe.RUNS


@pytest.fixture
def judged_again(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the bodies that the middleware judged by itself."""
    found: list[Any] = []
    judge = middleware.judge_body

    def watched(*arguments: Any) -> Any:
        found.append(arguments)
        return judge(*arguments)

    monkeypatch.setattr(middleware, "judge_body", watched)
    return found


def behind(layer: Callable[[Any, Any, Any], Any]) -> Any:
    """Return what gives a request to the front door, with a layer between it and Django."""
    django = ASGIHandler()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope, receive = await layer(scope, receive, send)
        await django(scope, receive, send)

    return play_asgi(front_door(app))


async def nothing(scope: Any, receive: Any, _send: Any) -> Any:
    return scope, receive


def replacing(body: bytes) -> Callable[[Any, Any, Any], Any]:
    """Return a layer that puts another body into the place of the one that came."""

    async def layer(scope: Any, receive: Any, _send: Any) -> Any:
        async def replaced() -> Any:
            event = await receive()
            return {**event, "body": body} if event["type"] == "http.request" else event

        return scope, replaced

    return layer


def test_the_message_is_judged_once_and_the_request_is_counted_once(runs, judged_again):
    before = decisions.all().get(ADMISSION, 0)

    answer = behind(nothing)(CALL, PATH)

    assert (answer.status, [run.body for run in runs]) == (200, [CALL.body])
    assert judged_again == []
    assert decisions.all()[ADMISSION] == before + 1
    assert calls.all() == {}


def test_what_was_judged_is_not_kept_while_the_view_runs():
    seen: list[Any] = []

    async def look(scope: Any, receive: Any, _send: Any) -> Any:
        seen.extend([scope[CALL_KEY], scope[CALL_KEY].judged.body])
        return scope, receive

    assert behind(look)(CALL, PATH).status == 200
    assert (seen[0].judged, seen[1]) == (None, CALL.body)


def test_no_credential_comes_past_the_front_door():
    seen: list[Any] = []

    async def look(scope: Any, receive: Any, _send: Any) -> Any:
        seen.append(repr(scope))
        return scope, receive

    assert behind(look)(CALL, PATH).status == 200
    assert behind(look)(get(bearer(SERVER), cookie(ADAS_SESSION)), "/report").status == 200
    guarded, other = seen
    assert not [secret for secret in (SERVER.text, ADAS_SESSION.key) if secret in guarded]
    assert [secret for secret in (SERVER.text, ADAS_SESSION.key) if secret in other] == [
        SERVER.text,
        ADAS_SESSION.key,
    ]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (call("delete_note"), 403),
        (call("read_note").replace('"read_note"', '"read_note", "name": "delete_note"'), 400),
        ("", 400),
        ("{", 400),
    ],
)
def test_a_body_that_was_put_into_its_place_is_judged(body, status, runs):
    answer = behind(replacing(body.encode()))(CALL, PATH)

    assert (answer.status, runs, calls.all()) == (status, [], {})


@pytest.mark.parametrize("mount", ["async", "view"])
def test_a_body_that_django_does_not_read_is_refused_before_the_view_runs(mount, runs, judged_again, noted):
    with override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=len(CALL.body) - 1):
        answer = behind(nothing)(CALL, f"/{mount}/partner/mcp")

    assert (answer.status, runs, noted(), calls.all()) == (413, [], ["body_too_large"], {})
    with override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=len(CALL.body)):
        assert behind(nothing)(CALL, f"/{mount}/partner/mcp").status == 200
    assert len(judged_again) == 1


def test_another_body_that_is_permitted_runs(runs, judged_again):
    other = call("read_note", id="another").encode()

    assert behind(replacing(other))(CALL, PATH).status == 200
    assert [run.body for run in runs] == [other]
    assert len(judged_again) == 1


def test_one_that_fails_once_it_has_begun_a_list_is_answered_once(recorded):
    sent: list[Any] = []

    async def failing(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("the application fails")

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        async def noted(event: Any) -> None:
            sent.append(event.get("status", event["type"]))
            await send(event)

        await guard(failing, "partner")(scope, receive, noted)

    assert play_asgi(noting)(post(bearer(SERVER), ("Mcp-Session-Id", "1")), "/mcp").status == 500
    assert sent == [500, "http.response.body"]
    assert (len(recorded()), len(recorder), calls.all()) == (1, 1, {})


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[tuple[str, str]]]]:
    """Have calls recorded; return what says of which endpoints and messages they are."""
    changed = deepcopy(settings.MCP_GUARD)
    for name in ("partner", "partner-oauth"):
        changed["ENDPOINTS"][name]["audit_calls"] = "calls"
    found: list[tuple[str, str]] = []
    begin = audited_calls.begin

    def watched(endpoint: Any, head: Any, principal: Any, message: Any) -> Any:
        call = begin(endpoint, head, principal, message)
        if call is not None:
            found.append((endpoint.name, call.id))
        return call

    monkeypatch.setattr(audited_calls, "begin", watched)
    with override_settings(MCP_GUARD=changed):
        yield lambda: found
    recorder.forget()


def test_a_call_that_was_put_into_the_place_of_another_is_recorded_too(runs, recorded):
    other = call("read_note", id="another").encode()

    assert behind(replacing(other))(CALL, PATH).status == 200
    assert [run.body for run in runs] == [other]
    assert recorded() == [("partner", 1), ("partner", "another")]
    assert len(recorder) == 2


def test_a_call_that_another_endpoint_let_in_too_is_recorded_for_both(runs, recorded):
    application = guard(ASGIHandler(), "partner-oauth")

    assert play_asgi(application)(CALL, PATH).status == 200
    assert recorded() == [("partner-oauth", 1), ("partner", 1)]
    assert (len(runs), len(recorder), calls.all()) == (1, 2, {})


def test_a_request_that_was_sent_to_another_view_is_judged_for_that_view(runs, judged_again):
    async def elsewhere(scope: Any, receive: Any, _send: Any) -> Any:
        return {**scope, "path": scope["path"].replace("/async/", "/view/")}, receive

    before = decisions.all().get(ADMISSION, 0)

    assert behind(elsewhere)(CALL, PATH).status == 200
    assert (len(judged_again), len(runs), calls.all()) == (1, 1, {})
    assert decisions.all()[ADMISSION] == before + 1


def test_what_was_let_in_for_one_endpoint_is_refused_at_another(runs):
    async def elsewhere(scope: Any, receive: Any, _send: Any) -> Any:
        return {**scope, "path": scope["path"].replace("/partner/", "/token/")}, receive

    assert behind(elsewhere)(CALL, PATH).status == 401
    assert runs == []


def test_middleware_that_knows_no_async_changes_nothing(runs, judged_again):
    first, *others = settings.MIDDLEWARE
    with override_settings(MIDDLEWARE=[first, f"{__name__}.plain", *others]):
        before = decisions.all().get(ADMISSION, 0)
        answers = [behind(nothing)(post(bearer(SERVER), body=body), PATH) for body in (None, request("x/y"))]

    assert [answer.status for answer in answers] == [200, 403]
    assert (len(runs), judged_again, calls.all()) == (1, [], {})
    assert decisions.all()[ADMISSION] == before + 2


@sync_only_middleware
def plain(get_response: Any) -> Any:
    """Return a middleware that makes Django call the one before it synchronously."""

    def answer(request: HttpRequest) -> HttpResponse:
        response: HttpResponse = get_response(request)
        return response

    return answer
