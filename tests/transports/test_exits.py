"""Every way out of a guarded mount: the headers of the decision, and no others of their kind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.rows.exchanges import bearer, get, origin, post, preflight
from tests.rows.outcomes import PRIVATE, REFUSED, lists, page
from tests.rows.world import ANY, PLAIN, UNLISTED
from tests.transports.answer import Answered
from tests.transports.doors import DOORS, Door
from tests.transports.site import probe

pytestmark = pytest.mark.django_db

OPENED = PRIVATE | page(PLAIN)
CREDENTIALS = (origin(PLAIN), bearer(ANY))

EXITS = {
    "": (200, OPENED, b'{"ran": true}'),
    "hostile": (
        200,
        OPENED | {"vary": "Accept-Language, Origin", "cache-control": "max-age=60, private"},
        b"{}",
    ),
    "missing": (404, OPENED, None),
    "redirect": (302, OPENED | {"location": "/elsewhere"}, b""),
    "unmodified": (304, OPENED, b""),
    "stream": (200, OPENED, b"firstsecond"),
    "torn": (200, OPENED, b"first"),
}

by_door = pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
views = pytest.mark.parametrize(
    "door", [door for door in DOORS if door.mount in ("view", "async")], ids=lambda door: door.name
)
includes = pytest.mark.parametrize(
    "door", [door for door in DOORS if door.mount == "include"], ids=lambda door: door.name
)


def streams(door: Door) -> bool:
    """Whether the view behind a door can stream: under ASGI, Django takes asynchronous iterators alone."""
    return door.mount in ("async", "guard") or "WSGI" in door.name


def ask(door: Door, target: str, *headers: tuple[str, str], **head: Any) -> Answered:
    request = get(*headers, target=target, **head)
    return door.play(request, door.path("partner", request))


@pytest.mark.parametrize(
    ("door", "way"),
    [
        pytest.param(door, way, id=f"{door.name}, {way}")
        for door in DOORS
        for way in EXITS
        if way and (way not in ("stream", "torn") or streams(door))
    ],
)
def test_each_answer_carries_the_headers_of_its_decision(door: Door, way: str, noted: Any):
    status, answer, body = EXITS[way]

    answered = ask(door, f"/exit/{way}", *CREDENTIALS)

    assert (answered.status, answered.relevant) == (status, answer)
    assert body is None or answered.body == body
    assert len(probe.RUNS) == 1


@by_door
def test_an_error_varies_by_origin_too(door: Door, noted: Any):
    answered = ask(door, "/exit/failure", *CREDENTIALS)

    assert answered.status == 500
    cache = "no-store" if door.mount == "guard" else "private"
    assert answered.relevant == OPENED | {"cache-control": cache}
    assert len(probe.RUNS) == 1


@by_door
@pytest.mark.parametrize("way", [*EXITS, "failure"])
def test_no_way_out_is_open_to_an_unlisted_origin(door: Door, way: str, noted: Any):
    answered = ask(door, f"/exit/{way}" if way else "/mcp", origin(UNLISTED), bearer(ANY))

    assert (answered.status, answered.relevant, noted()) == (403, REFUSED, ["origin_not_listed"])
    assert probe.RUNS == []


@views
@pytest.mark.parametrize("target", ["/slash", "/slash/"])
def test_a_missing_slash_is_no_redirect(door: Door, target: str, noted: Any):
    request = post(*CREDENTIALS, target=target)

    answered = door.play(request, door.path("partner", request))

    assert (answered.status, answered.relevant) == (200, OPENED)
    assert [run.body for run in probe.RUNS] == [request.body]


@views
def test_a_missing_slash_answers_preflights_and_refusals_too(door: Door, noted: Any):
    granted = preflight(PLAIN, target="/slash")
    refused = ask(door, "/slash", origin(UNLISTED))

    answered = door.play(granted, door.path("partner", granted))

    assert (answered.status, answered.relevant) == (204, lists(PLAIN))
    assert (refused.status, refused.relevant) == (403, REFUSED)
    assert probe.RUNS == []


@pytest.mark.parametrize(
    "door", [door for door in DOORS if door.mount == "include"], ids=lambda door: door.name
)
@pytest.mark.parametrize("target", ["/slash", "/slash/"])
def test_a_missing_slash_inside_of_an_include_is_none(door: Door, target: str, noted: Any):
    request = post(*CREDENTIALS, target=target)

    answered = door.play(request, door.path("partner", request))

    assert (answered.status, answered.relevant) == (200, OPENED)
    assert [run.body for run in probe.RUNS] == [request.body]


@pytest.mark.parametrize(
    "door", [door for door in DOORS if door.mount == "include"], ids=lambda door: door.name
)
@pytest.mark.parametrize("target", ["", "/", "/nothing", "/nothing/", "/mcp/", "/mcp/more"])
def test_what_an_include_does_not_route_is_guarded(door: Door, target: str, noted: Any):
    refused = ask(door, target, origin(UNLISTED), bearer(ANY))
    admitted = ask(door, target, *CREDENTIALS)

    assert (refused.status, refused.relevant) == (403, REFUSED)
    assert (admitted.status, admitted.relevant) == (404, OPENED)
    assert probe.RUNS == []


@includes
def test_an_include_inside_of_an_include_is_guarded(door: Door, noted: Any):
    refused = ask(door, "/nested/hostile/deep", origin(UNLISTED), bearer(ANY))
    assert probe.RUNS == []
    admitted = ask(door, "/nested/hostile/deep", *CREDENTIALS)

    assert (refused.status, refused.relevant) == (403, REFUSED)
    assert (admitted.status, admitted.relevant) == (200, EXITS["hostile"][1])


@pytest.mark.parametrize("door", DOORS[3:5], ids=lambda door: door.name)
def test_a_root_path_that_moves_the_view_is_refused(door: Door, noted: Any):
    request = replace(get(*CREDENTIALS), root_path="/moved")

    answered = door.play(request, f"/moved{door.path('partner', request)}")

    assert (answered.status, answered.relevant, noted()) == (400, REFUSED, ["head_malformed"])
    assert probe.RUNS == []
